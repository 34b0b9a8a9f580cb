// Neurons that share their events: each event brings the row of weights of the neuron that sent it, one a neuron.
//
// `first` begins a sample. Then, while `ready`, an event a cycle; `last` in its place ends the step. Digits are valid
// while `valid`: one cycle in each step after the first SILENT. After T + SILENT steps the array is `done`.
`default_nettype none

module tsa_array #(
    parameter NEURONS   = 8,
    parameter T         = 8,
    parameter MEMBRANE  = 20,
    parameter WEIGHT    = 8,
    parameter LOG_BETA  = 1,
    parameter SILENT    = 1,
    parameter LEVELS    = 1,
    parameter RECTIFIES = 1,
    parameter SIZE      = $clog2(LEVELS + 1),
    parameter PLACE     = SIZE > 1 ? $clog2(SIZE) : 1
) (
    input  wire                          clk,
    input  wire                          first,
    input  wire                          last,
    input  wire                          arrives,
    input  wire                          negative,
    input  wire [             PLACE-1:0] place,
    input  wire [  NEURONS * WEIGHT-1:0] weights,
    input  wire [NEURONS * MEMBRANE-1:0] starts,
    input  wire [NEURONS * MEMBRANE-1:0] thetas,
    output wire                          ready,
    output wire                          valid,
    output wire                          done,
    output wire [NEURONS * (SIZE+1)-1:0] digits
);
  `include "operations.vh"
  localparam COUNT = $clog2(T + SILENT + 1);

  reg [2:0] state = HOLD;  // the operation of this cycle; ADD while events may come, HOLD when done
  reg [COUNT-1:0] step;
  reg [PLACE-1:0] trial;

  assign ready = state == ADD;
  assign valid = state == AMPLIFY && step >= SILENT;
  assign done = state == HOLD;

  wire [2:0] operation = first ? REST : state == ADD && !arrives ? HOLD : state;

  always @(posedge clk)
    if (first) begin
      state <= ADD;
      step  <= 0;
    end else
      case (state)
        ADD:     if (last) state <= step < SILENT ? AMPLIFY : ROUND;
        ROUND:   begin state <= TRIAL; trial <= SIZE - 1; end
        TRIAL:   begin if (trial == 0) state <= SETTLE; trial <= trial - 1'b1; end
        SETTLE:  state <= AMPLIFY;
        AMPLIFY: begin state <= step == T + SILENT - 1 ? HOLD : ADD; step <= step + 1'b1; end
        default: ;
      endcase

  genvar i;
  generate
    for (i = 0; i < NEURONS; i = i + 1) begin : neuron
      tsa_neuron #(
          .MEMBRANE(MEMBRANE), .WEIGHT(WEIGHT), .LOG_BETA(LOG_BETA), .SILENT(SILENT), .LEVELS(LEVELS),
          .RECTIFIES(RECTIFIES)
      ) core (
          .clk(clk),
          .operation(operation),
          .negative(negative),
          .place(state == TRIAL ? trial : place),
          .weight(weights[i*WEIGHT+:WEIGHT]),
          .start(starts[i*MEMBRANE+:MEMBRANE]),
          .theta(thetas[i*MEMBRANE+:MEMBRANE]),
          .digit(digits[i*(SIZE+1)+:SIZE+1])
      );
    end
  endgenerate
endmodule
