package logformat

// Format returns the Fastly log format (format version 2) of the record's field table: one line, at most 8,000 characters.
func Format() string { panic("stub") }
