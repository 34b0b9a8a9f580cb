// A ternary self-amplifying neuron with digits -LEVELS .. LEVELS: one adder, shifts and comparisons, no multiplier.
//
//   REST     v = start                    start: what is added before the first event, a bias for instance
//   ADD      v = v +- (weight << place)   an event of size 2^place; a digit of several ones is several events
//   ROUND    x = |v| + theta' / 2         theta' = beta^SILENT theta; the digit is the whole part of x / theta'
//   TRIAL    x = x - (theta' << place)    if that is >= 0 and the digit in bounds: from the highest place to 0
//   SETTLE   v = +-(x - theta' / 2)       and the gate: what has been sent never stands for a negative number
//   AMPLIFY  v = v << LOG_BETA            from -2^LIMIT .. 2^LIMIT - 1, where v saturates
//
// A step is its events, then ROUND, TRIAL .. and SETTLE but in the first SILENT steps, then AMPLIFY. With
// 2^LIMIT >= (M + LEVELS theta') / (beta - 1) for currents up to M, saturation changes no digit, and nothing overflows.
`default_nettype none

module tsa_neuron #(
    parameter MEMBRANE  = 20,  // bits of v
    parameter WEIGHT    = 8,   // bits of a weight
    parameter LOG_BETA  = 1,
    parameter SILENT    = 1,   // k
    parameter LEVELS    = 1,   // L
    parameter RECTIFIES = 1,   // 0: a signed population, whose gate is always open
    parameter SIZE      = $clog2(LEVELS + 1),
    parameter PLACE     = SIZE > 1 ? $clog2(SIZE) : 1
) (
    input  wire                       clk,
    input  wire        [         2:0] operation,
    input  wire                       negative,
    input  wire        [   PLACE-1:0] place,
    input  wire signed [  WEIGHT-1:0] weight,
    input  wire signed [MEMBRANE-1:0] start,
    input  wire        [MEMBRANE-1:0] theta,
    output wire signed [      SIZE:0] digit
);
  `include "operations.vh"
  localparam LIMIT = MEMBRANE - 2 - LOG_BETA;

  reg signed [MEMBRANE-1:0] v;
  reg below;           // v was negative
  reg [SIZE-1:0] size; // of the digit

  // The adder.
  wire [PLACE-1:0] shift = SIZE > 1 ? place : {PLACE{1'b0}};
  wire signed [MEMBRANE-1:0] event_weight = weight;
  wire [MEMBRANE-1:0] top = theta << (SILENT * LOG_BETA);
  wire [MEMBRANE-1:0] shifted = (operation == ADD ? event_weight : top) << shift;
  wire halves = operation == ROUND || operation == SETTLE;
  wire [MEMBRANE-1:0] term = halves ? top >> 1 : shifted;
  wire minus = operation == ADD ? negative : operation == ROUND ? v[MEMBRANE-1] : !below;
  wire signed [MEMBRANE-1:0] sum = v + (term ^ {MEMBRANE{minus}}) + minus;

  // What a trial may take.
  wire [SIZE-1:0] tried = size | (1'b1 << shift);
  wire in_bounds;
  wire taken = (sum[MEMBRANE-1] == below || sum == 0) && tried <= LEVELS && in_bounds;

  // Where v saturates.
  wire high = !v[MEMBRANE-1] && |v[MEMBRANE-2:LIMIT];
  wire low = v[MEMBRANE-1] && !(&v[MEMBRANE-2:LIMIT]);
  wire [LIMIT-1:0] held = high ? {LIMIT{1'b1}} : low ? {LIMIT{1'b0}} : v[LIMIT-1:0];
  wire signed [LIMIT:0] saturated = {v[MEMBRANE-1], held};
  wire signed [MEMBRANE-1:0] extended = saturated;

  assign digit = below ? -$signed({1'b0, size}) : $signed({1'b0, size});

  always @(posedge clk)
    case (operation)
      REST:    begin v <= start; size <= 0; below <= 0; end
      ADD:     v <= sum;
      ROUND:   begin v <= sum; size <= 0; below <= v[MEMBRANE-1]; end
      TRIAL:   if (taken) begin v <= sum; size <= tried; end
      SETTLE:  v <= sum;
      AMPLIFY: v <= extended << LOG_BETA;
      default: ;
    endcase

  generate
    if (!RECTIFIES) begin : signed_population
      assign in_bounds = 1;
    end else if (LEVELS == 1) begin : one_bit
      reg open;
      assign in_bounds = !below || open;
      always @(posedge clk)
        if (operation == REST) open <= 0;
        else if (operation == SETTLE) open <= open || size;
    end else begin : prefix  // beta times the number sent so far: from 2 LEVELS on any digit may follow, for ever
      localparam WIDTH = SIZE + 2 + LOG_BETA, MOST = 2 * LEVELS;
      reg [SIZE:0] gate;
      wire [WIDTH-1:0] sent = (below ? gate - size : gate + size) << LOG_BETA;
      assign in_bounds = !below || tried <= gate;
      always @(posedge clk)
        if (operation == REST) gate <= 0;
        else if (operation == SETTLE) gate <= sent > MOST ? MOST : sent;
    end
  endgenerate
endmodule
