// Package report makes the page of a run: one HTML file that says what is blocked, why, until when and how to undo it,
// what needs attention, and what the data, the guard and the last runs look like.
//
// In goes a [Run], what one run or status command knows; out come bytes. The same run gives the same bytes. The page
// asks the network for nothing: style and script are in it, named by their hashes in its content security policy, and it is
// complete without the script, which only sorts and filters. Text from the log goes through plain and then through
// html/template.
//
//	Run ──▶ views (plain text, times, curves) ──▶ page.html ──▶ Write (a file, whole or not at all)
//	                                                    └─────▶ Live (the operator's port)
//
// A crash while a file is written leaves the old one.
package report
