// Package spawn runs a cluster whose members are processes of this machine: it makes their folders as
// «loadgen init» does, runs «loadgen member» in each, and merges what they record while they do, as
// «loadgen merge» would. Between hosts and between processes there is no other difference.
package spawn
