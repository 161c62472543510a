// Package config has the files of a network whose members are separate processes: network.json with
// the settings that all members share, and member.json with the settings of one member, beside its
// keys. Init makes them.
//
// The files are JSON and are read strictly: an unknown field, a field that occurs twice, a value
// out of range or an identity that occurs twice is an error that names the field.
package config
