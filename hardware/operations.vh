// What a neuron does in a cycle.
localparam REST = 0, ADD = 1, ROUND = 2, TRIAL = 3, SETTLE = 4, AMPLIFY = 5, HOLD = 7;
