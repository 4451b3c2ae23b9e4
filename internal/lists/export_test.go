package lists

// ParseText is parseText, for its table of faults.
var ParseText = parseText
