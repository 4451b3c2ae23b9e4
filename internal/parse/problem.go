package parse

// Problems: why a line is text, or what in it was cut or repaired. The set is
// closed, so that a problem can be a metric label. A request that has several
// carries them joined by [ProblemSeparator].
const (
	// These make a line text; it is never counted.
	ProblemNotUnderstood = "not understood"                // neither JSON nor a log format we know
	ProblemNotRequest    = "no request"                    // a JSON object without address, or without two of method, status, path, host
	ProblemBroken        = "broken JSON"                   // such as an unset variable in a number's place
	ProblemTruncated     = "truncated JSON"                // the line ends inside the object
	ProblemTooDeep       = "JSON nested too deep"          // deeper than 64 levels
	ProblemTooManyKeys   = "too many JSON keys"            // more than 1024 at top level
	ProblemDuplicateKey  = "duplicate JSON key"            // a client may have written one of them
	ProblemAddress       = "client address not understood" // so nobody can be held to it
	ProblemEmpty         = "empty message"                 // a header and nothing after it

	// These are notes on a line that was understood all the same.
	ProblemCut          = "cut at the line limit"
	ProblemUnterminated = "connection ended inside the line"
	ProblemUTF8         = "invalid UTF-8 replaced"
	ProblemValue        = "value of the wrong type"
	ProblemTime         = "time not understood"
)

// ProblemSeparator stands between several problems of one record.
const ProblemSeparator = "; "

// note adds a problem to those already noted.
func note(problem *string, p string) {
	if *problem == "" {
		*problem = p
		return
	}
	*problem += ProblemSeparator + p
}
