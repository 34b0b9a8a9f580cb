// A multiply-accumulate unit of 8 bits with a rectifier, of a network that does not spike: beside which neurons are measured.
`default_nettype none

module mac #(
    parameter SUM    = 20,
    parameter WEIGHT = 8,
    parameter INPUT  = 8
) (
    input  wire                     clk,
    input  wire                     rest,
    input  wire                     add,
    input  wire signed [WEIGHT-1:0] weight,
    input  wire        [ INPUT-1:0] activation,
    input  wire signed [   SUM-1:0] start,
    output wire        [   SUM-1:0] rectified
);
  reg signed [SUM-1:0] sum;
  wire signed [WEIGHT+INPUT:0] product = weight * $signed({1'b0, activation});
  assign rectified = sum[SUM-1] ? 0 : sum;
  always @(posedge clk)
    if (rest) sum <= start;
    else if (add) sum <= sum + product;
endmodule
