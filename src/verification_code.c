/*
 * verification_code.c
 *	  Names of what may never be stored; see verification_code.h.
 */
#include "postgres.h"

#include "verification_code.h"

#define NAME_MAX_SIZE 64

/* Without separators and in small letters. They are names, or names end with them. */
static const char *const whole_names[] = {"cid", "cav", "csc", "pin", "pvv", "track"};
static const char *const endings[] = {
	"cvv",
	"cvv2",
	"cvc",
	"cvc2",
	"cvn",
	"cvn2",
	"cav2",
	"cid2",
	"cardcode",
	"cardpin",
	"pinblock",
	"pincode",
	"securitycode",
	"securitynumber",
	"verificationcode",
	"verificationvalue",
	"track1",
	"track2",
	"trackdata",
	"magstripe",
	"magneticstripe",
};

/* "Card-CVV_2" to "cardcvv2" */
static size_t
simplify(const char *name, size_t size, char simple[NAME_MAX_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < size && n < NAME_MAX_SIZE; i++)
	{
		char c = name[i];

		if (c >= 'A' && c <= 'Z')
			simple[n++] = (char) (c - 'A' + 'a');
		else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			simple[n++] = c;
	}
	return n;
}

static bool
ends_with(const char *simple, size_t size, const char *ending)
{
	size_t n = strlen(ending);

	return size >= n && memcmp(simple + size - n, ending, n) == 0;
}

const char *
op_names_verification_code(const char *name, size_t size)
{
	char   simple[NAME_MAX_SIZE];
	size_t n = simplify(name, size, simple);

	for (int i = 0; i < (int) lengthof(whole_names); i++)
	{
		if (strlen(whole_names[i]) == n && memcmp(simple, whole_names[i], n) == 0)
			return whole_names[i];
	}
	for (int i = 0; i < (int) lengthof(endings); i++)
	{
		if (ends_with(simple, n, endings[i]))
			return endings[i];
	}
	return NULL;
}
