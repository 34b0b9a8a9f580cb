// An integrate-and-fire neuron with a soft reset, for a rate code: beside which the others are measured.
`default_nettype none

module if_neuron #(
    parameter MEMBRANE = 20,
    parameter WEIGHT   = 8
) (
    input  wire                       clk,
    input  wire                       rest,
    input  wire                       add,   // an event
    input  wire                       fire,  // the end of a step
    input  wire signed [  WEIGHT-1:0] weight,
    input  wire signed [MEMBRANE-1:0] start,
    input  wire        [MEMBRANE-1:0] theta,
    output reg                        spike
);
  localparam signed [MEMBRANE-1:0] LEAST = {1'b1, {MEMBRANE - 1{1'b0}}}, MOST = ~LEAST;

  reg signed [MEMBRANE-1:0] v;
  wire signed [MEMBRANE-1:0] event_weight = weight;
  wire [MEMBRANE-1:0] term = fire ? ~theta : event_weight;
  wire signed [MEMBRANE:0] sum = {v[MEMBRANE-1], v} + {term[MEMBRANE-1], term} + fire;
  wire overflows = sum[MEMBRANE] != sum[MEMBRANE-1];

  always @(posedge clk)
    if (rest) v <= start;
    else if (add) v <= !overflows ? sum[MEMBRANE-1:0] : sum[MEMBRANE] ? LEAST : MOST;
    else if (fire) begin
      spike <= !sum[MEMBRANE];
      if (!sum[MEMBRANE]) v <= sum[MEMBRANE-1:0];
    end
endmodule
