/*
 * secret_words.h
 *	  The names of what takes secrets that no pattern tells from other words.
 *
 * Knows nothing of the server.
 */
#ifndef OP_SECRET_WORDS_H
#define OP_SECRET_WORDS_H

#define OP_SECRET_NAMES_MAX 32
#define OP_SECRET_NAME_SIZE 64 /* as long as a name of the server may be */

/* Names that an administrator gave, in lower case. */
typedef struct OpSecretNames
{
	int	  n;
	uint8 sizes[OP_SECRET_NAMES_MAX];
	char  names[OP_SECRET_NAMES_MAX][OP_SECRET_NAME_SIZE];
} OpSecretNames;

/*
 * Reads a list of names, with commas or white space between them. False if
 * one is no name, or is too long, or there are too many.
 */
extern bool op_read_secret_names(const char *list, OpSecretNames *names);

/* From now on these count as well, instead of those before. */
extern void op_use_secret_names(const OpSecretNames *names);

/*
 * Does the text name what takes secrets: a sealing function, a payment
 * password, the holder of a card?
 */
extern bool op_names_secrets(const char *text, size_t size);

/* Is EXECUTE in it, which brings values for a statement that is not in it? */
extern bool op_names_execute(const char *text, size_t size);

#endif
