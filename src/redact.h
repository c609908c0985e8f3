/*
 * redact.h
 *	  Finding card numbers in any text, and masking them.
 *
 * Knows nothing of the server. It would rather mask too much: whatever may be
 * a card number, however it is grouped, is taken for one.
 */
#ifndef OP_REDACT_H
#define OP_REDACT_H

extern bool op_has_card_number(const char *text, size_t size);

/* Overwrites their digits with stars; how many numbers it found. The size stays. */
extern int op_redact_card_numbers(char *text, size_t size);

#endif
