// Package cli makes, from the one definition of a program's command line, what teaches it: completion for shells and examples
// in the help.
//
// In: the model that kong builds from the program's structs. Out: text. Nothing is kept and nothing is run, so a crash has no
// consequence.
package cli
