package redact

// issuer is a range of leading digits that an issuer of cards owns, and the
// lengths of its numbers.
type issuer struct {
	low, high int    // first six digits, inclusive
	lengths   uint32 // bit n: numbers of n digits exist
}

func lengths(all ...int) (set uint32) {
	for _, n := range all {
		set |= 1 << n
	}
	return set
}

var (
	any13to19 = lengths(13, 14, 15, 16, 17, 18, 19)
	any16to19 = lengths(16, 17, 18, 19)
	only16    = lengths(16)
)

// issuers are the ranges in use. Source: the table of issuer identification
// numbers at https://en.wikipedia.org/wiki/Payment_card_number (ISO/IEC 7812-1
// assigns them; its register is not public), with the retired Switch, Solo and
// 15-digit JCB kept, since a number does no less harm for being old. Not here:
// UATP (any 15 digits beginning with 1, as the ids of many advertisers do),
// enRoute (no check digit) and Maestro's numbers of 12 digits.
var issuers = []issuer{
	{180000, 180099, lengths(15)},             // JCB, old
	{213100, 213199, lengths(15)},             // JCB, old
	{220000, 220499, any16to19},               // Mir
	{220500, 220599, only16},                  // BORICA
	{222100, 272099, only16},                  // Mastercard
	{300000, 305999, any14to19()},             // Diners Club
	{309500, 309599, any14to19()},             // Diners Club
	{340000, 349999, lengths(15)},             // American Express
	{352800, 358999, any16to19},               // JCB, RuPay with JCB, LankaPay
	{360000, 369999, any14to19()},             // Diners Club
	{370000, 379999, lengths(15)},             // American Express
	{380000, 399999, any14to19()},             // Diners Club, Hipercard
	{400000, 499999, lengths(13, 16, 18, 19)}, // Visa, Dankort, Elo, Switch (18)
	{500000, 509999, any13to19},               // Maestro, Dankort, Elo, RuPay, Verve
	{510000, 559999, only16},                  // Mastercard
	{560000, 589999, any13to19},               // Maestro
	{600000, 609999, any16to19},               // RuPay, Discover 6011, Hipercard, UkrCard
	{620000, 629999, any16to19},               // UnionPay, Discover with UnionPay, Elo
	{630400, 630499, any13to19},               // Maestro, Laser
	{633110, 633110, lengths(16, 18, 19)},     // Switch
	{633300, 633499, lengths(16, 18, 19)},     // Switch, Solo
	{636000, 636999, any16to19},               // InterPayment, Elo
	{637000, 638999, only16},                  // InstaPayment
	{639000, 639999, any13to19},               // Maestro, InstaPayment
	{644000, 659999, any16to19},               // Discover, RuPay, Troy, Verve, Elo
	{670000, 679999, any13to19},               // Maestro, Switch, Solo, Bancontact
	{810000, 829999, any16to19},               // UnionPay, RuPay
	{860000, 860099, only16},                  // Uzcard
	{968200, 968299, only16},                  // mada
	{970400, 970499, lengths(16, 19)},         // NAPAS
	{979200, 979299, only16},                  // Troy
	{986000, 986099, only16},                  // Humo
}

func any14to19() uint32 { return any13to19 &^ lengths(13) }

// issued reports whether an issuer has numbers of n digits that begin with the
// given six.
func issued(six, n int) bool { return lengthsOf(six)&(1<<n) != 0 }

// lengthsOf returns the lengths of the numbers that begin with the given six.
func lengthsOf(six int) uint32 {
	for i := range issuers {
		is := &issuers[i]
		if six < is.low {
			return 0
		}
		if six <= is.high {
			return is.lengths
		}
	}
	return 0
}

// luhn reports whether the last of the digits is the right check digit
// (ISO/IEC 7812-1, annex B).
func luhn(digits []digit) bool {
	sum, double := 0, false
	for i := len(digits) - 1; i >= 0; i-- {
		d := int(digits[i].value)
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return sum%10 == 0
}
