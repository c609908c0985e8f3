/*
 * secret_file.h
 *	  Files that hold a secret: read only if nobody else could have read or
 *	  written them.
 */
#ifndef OP_SECRET_FILE_H
#define OP_SECRET_FILE_H

/*
 * What a file is read for: the refusal is the message of every error, which
 * never shows what is in the file. The hints say what to do.
 */
typedef struct OpSecretFile
{
	int			code; /* SQLSTATE */
	const char *refusal;
	const char *place_hint; /* where a file may lie */
	const char *size_hint;	/* what is in a good one */
	size_t		max_size;
} OpSecretFile;

/* Up to room bytes; the size, or -1 and errno. */
extern ssize_t op_read_all(int fd, char *buffer, size_t room);

/*
 * Reads it into the buffer, which has room for max_size + 1 bytes and which the
 * caller cleanses; the size. An error unless it is an absolute path outside of
 * the data directory, and the file a plain one that is no link.
 */
extern size_t op_read_secret_file(const OpSecretFile *file, const char *path, char *buffer);

/* An error unless only root and the user that runs the server can put files there. */
extern void op_check_secret_directory(const OpSecretFile *file, const char *path);

#endif
