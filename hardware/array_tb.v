// Plays a file of commands to an array, and writes the digits of each step as a line of hexadecimal:
//
//   F starts thetas            a sample begins
//   E negative place weights   an event
//   L                          the step ends
`default_nettype none

module array_tb;
  parameter NEURONS = 8, T = 8, MEMBRANE = 20, WEIGHT = 8, LOG_BETA = 1, SILENT = 1, LEVELS = 1, RECTIFIES = 1;
  localparam SIZE = $clog2(LEVELS + 1), PLACE = SIZE > 1 ? $clog2(SIZE) : 1;

  reg clk = 0, first = 0, last = 0, arrives = 0, negative = 0;
  reg [PLACE-1:0] place = 0;
  reg [NEURONS*WEIGHT-1:0] weights = 0;
  reg [NEURONS*MEMBRANE-1:0] starts = 0, thetas = 0;
  wire ready, valid, done;
  wire [NEURONS*(SIZE+1)-1:0] digits;

  tsa_array #(
      .NEURONS(NEURONS), .T(T), .MEMBRANE(MEMBRANE), .WEIGHT(WEIGHT), .LOG_BETA(LOG_BETA), .SILENT(SILENT),
      .LEVELS(LEVELS), .RECTIFIES(RECTIFIES)
  ) array (
      .clk(clk), .first(first), .last(last), .arrives(arrives), .negative(negative), .place(place),
      .weights(weights), .starts(starts), .thetas(thetas), .ready(ready), .valid(valid), .done(done), .digits(digits)
  );

  always #1 clk = !clk;

  reg [8*1024-1:0] commands, written;
  reg [7:0] command;
  integer source, target, read;
  initial begin
    read = $value$plusargs("commands=%s", commands);
    read = $value$plusargs("digits=%s", written);
    source = $fopen(commands, "r");
    target = $fopen(written, "w");
    @(negedge clk);
    while ($fscanf(source, " %c", command) == 1)
      case (command)
        "F": begin
          read = $fscanf(source, "%h %h", starts, thetas);
          first = 1;
          @(negedge clk) first = 0;
        end
        "E": begin
          read = $fscanf(source, "%b %h %h", negative, place, weights);
          arrives = 1;
          @(negedge clk) arrives = 0;
        end
        "L": begin
          last = 1;
          @(negedge clk) last = 0;
          while (!ready && !done) begin
            if (valid) $fdisplay(target, "%h", digits);
            @(negedge clk);
          end
        end
      endcase
    $fclose(target);
    $finish;
  end
endmodule
