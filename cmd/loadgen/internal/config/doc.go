// Package config has the files of a network whose members are processes of their own: what all
// members share, network.json, and what each has alone, member.json and its keys. Init makes them.
//
// The files are JSON and are read strictly: an unknown field, a field that stands twice, a value out
// of range or an identity that occurs twice is an error that names the field.
package config
