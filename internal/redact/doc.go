// Package redact masks card data and secrets in raw log lines, before anything
// is stored, logged or measured (PCI DSS 3.3.1, 3.4.1, 3.5.1).
//
// What comes in: the bytes of a line, in whatever format. What goes out: the
// same bytes, of the same length, with these overwritten in place:
//
//   - card numbers: 13 to 19 digits of an issuer's range and length, right by
//     Luhn, with no digit on either side, and no letter but those of a word that
//     is more than hexadecimal (VISA4111…, 4111…USD); plain, in groups parted by
//     single spaces or dashes, in the usual groups parted by dots or two
//     spaces, percent-encoded (%34, %20, %2D, +), escaped
//     (\u0034, \u0020, \x2d) or escaped twice (\\u0034, %2520). The first six
//     and last four digits stay.
//   - the beginning of a card number at the end of a line that was cut
//     ([Redactor.Cut], or JSON that ends too early): all but its first six digits
//   - values of keys such as cvv, pin, password and authorization in JSON,
//     queries, forms and headers, plain or percent-encoded
//   - the password of a URL (scheme://user:password@host)
//   - track 1 and track 2 data
//   - the secrets given to [New], wherever they stand
//
// A byte is overwritten with "x". In an unquoted JSON number it is "0", so that
// JSON stays JSON; in an encoded digit the two hexadecimal digits become 78,
// which is an encoded x. Redacting a redacted line changes nothing.
//
// What looks like a card number and is none stays: times since 1970 in seconds,
// milliseconds, microseconds or nanoseconds begin with 1 until 2033, which is
// nobody's range, and those after it collide with an issuer only from 2039 (Mir,
// in microseconds) and 2096 (Visa of 13 digits, in milliseconds). No exception
// is made for those: a masked time is repaired by the time in the prefix, a
// stored card number by nothing. UUIDs and hexadecimal ids have letters a to
// f beside their digits, or are recognised. An id of 16 decimal digits is masked when it
// happens to be a valid number of an issuer: about one random id in 28.
//
// Nearly every line has nothing to mask, so what costs is to see that: on amd64 with AVX2 classes_amd64.s finds what may
// part a key from its value and what may be in a card number 32 bytes at a time; elsewhere suspect.go and cards.go do it in
// smaller steps. Both lead to the same closer look, and the tests hold both against a way that takes no short cut.
//
// The package is pure and keeps nothing; on a crash nothing of it is lost.
package redact
