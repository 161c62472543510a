// Package spawn runs a cluster whose members are processes of this machine. It makes their folders
// like «loadgen init», runs «loadgen member» in each, and merges their records while they run, like
// «loadgen merge». A network over several hosts differs in nothing else.
package spawn
