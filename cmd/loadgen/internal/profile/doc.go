// Package profile divides the CPU time of a profile by kind of work.
package profile
