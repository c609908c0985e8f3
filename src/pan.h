/*
 * pan.h
 *	  The rules of card numbers, holders and expiry dates.
 *
 * PAN		primary account number: the number of a card, 12 to 19 digits
 * BIN		its first digits, which tell brand and issuer
 *
 * Knows nothing of the server: no error is raised, nothing is allocated.
 */
#ifndef OP_PAN_H
#define OP_PAN_H

#define OP_PAN_MIN		 12
#define OP_PAN_MAX		 19
#define OP_PAN_MASK		 "************" /* stands before the last four digits, whatever the length */
#define OP_PAN_MASK_SIZE 16
#define OP_HOLDER_MASK	 "***" /* stands after the first character */
#define OP_HOLDER_MAX	 96	   /* bytes */
#define OP_EXPIRY_MASK	 "**/**"
#define OP_EXPIRY_SIZE	 4 /* YYMM */

typedef enum OpLuhnPolicy
{
	OP_LUHN_REQUIRED,
	OP_LUHN_NOT_GUARANTEED /* the brand issues numbers that fail the check */
} OpLuhnPolicy;

typedef struct OpBrand
{
	const char	*name; /* as card_brand() says it: visa, mastercard, unionpay ... */
	OpLuhnPolicy luhn;
} OpBrand;

/* Why a text is no card number. */
typedef enum OpPanFault
{
	OP_PAN_GOOD,
	OP_PAN_NOT_DIGITS,
	OP_PAN_LENGTH, /* none that any card has, or none that its brand has */
	OP_PAN_LUHN
} OpPanFault;

/*
 * The digits of a text, ended by a zero; single spaces or hyphens between
 * digits, and blanks around them, are left out. Their number, 12 to 19, or 0 if
 * it is no card number by form; digits are cleansed then.
 */
extern int op_pan_digits(const char *text, size_t size, char digits[OP_PAN_MAX + 1]);

/* Luhn's check (ISO/IEC 7812-1 annex B) */
extern bool op_pan_luhn(const char *digits, int n);

/* The brand by the longest prefix, or NULL if no brand is known to begin so. */
extern const OpBrand *op_pan_brand(const char *digits, int n);

/*
 * All rules together, for what op_pan_digits() gives: no digits at all are
 * OP_PAN_NOT_DIGITS. An unknown brand must pass Luhn's check.
 */
extern OpPanFault op_pan_check(const char *digits, int n);

/* for four digits and more; mask has room for OP_PAN_MASK_SIZE + 1 */
extern void op_pan_mask(const char *digits, int n, char *mask);
extern bool op_is_pan_mask(const char *text, size_t size);

/*
 * mask has room for a character in UTF-8, OP_HOLDER_MASK and a zero (8). The
 * first character that is no blank; none is shown that is no UTF-8.
 */
extern void op_holder_mask(const char *holder, size_t size, char *mask);
extern bool op_is_holder_mask(const char *text, size_t size);

/*
 * "MM/YY", "MM/YYYY", "MMYY", "MM-YY", "MM-YYYY", "MM / YY", "MM / YYYY", and
 * "YYYY-MM" as some forms send it, blanks around them left out, to YYMM. False
 * if it is none, or no month; yymm is cleansed then. A date that has passed is
 * good: cards are stored, not charged, here.
 */
extern bool op_expiry(const char *text, size_t size, char yymm[OP_EXPIRY_SIZE]);

#endif
