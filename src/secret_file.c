/*
 * secret_file.c
 *	  Files that hold a secret; see secret_file.h.
 *
 * A file is checked as the server checks ssl_key_file, and more: it may be no
 * link, and may not lie in the data directory, whence every base backup would
 * carry it away together with what it protects. It is the open file that is
 * checked, so nobody can put another one in its place in between.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "crypto.h"
#include "secret_file.h"

#define FILE_HINT \
	"The file is to be a plain one, owned by the user that runs the server with mode 0400 or 0600, or by root with mode 0440 or 0640."
#define DIRECTORY_HINT \
	"The directory is to be owned by root or by the user that runs the server, and to be written to by nobody else."

static void
refuse(const OpSecretFile *file, const char *detail, const char *hint)
{
	ereport(ERROR, (errcode(file->code), errmsg("%s", file->refusal),
					errdetail_internal("%s", detail), errhint("%s", hint)));
}

static void
refuse_errno(const OpSecretFile *file, const char *what)
{
	refuse(file, psprintf("%s: %m.", what), FILE_HINT);
}

/* Below the data directory, once all links in the path are followed? */
static bool
is_in_data_directory(const char *path)
{
	char file[MAXPGPATH];
	char data[MAXPGPATH];
	char resolved[PATH_MAX];

	if (realpath(path, resolved) == NULL)
		return false; /* open() will say why */
	strlcpy(file, resolved, sizeof(file));
	if (realpath(DataDir, resolved) == NULL)
		return true;
	strlcpy(data, resolved, sizeof(data));
	return path_is_prefix_of_path(data, file);
}

static void
check_place(const OpSecretFile *file, const char *path)
{
	if (!is_absolute_path(path) || is_in_data_directory(path))
		refuse(file, "Its path is relative, or leads into the data directory.", file->place_hint);
}

/* As check_ssl_key_file_permissions() of the server, but on the open file. */
static void
check_file(const OpSecretFile *file, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		refuse_errno(file, "The file cannot be examined");
	if (!S_ISREG(st.st_mode))
		refuse(file, "It is not a plain file.", FILE_HINT);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		refuse(file, "The file belongs to another user.", FILE_HINT);
	if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) ||
		(st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0))
		refuse(file, "Others may read or write the file.", FILE_HINT);
	if (st.st_size > (off_t) file->max_size)
		refuse(file, "The file is too large to be one.", file->size_hint);
}

ssize_t
op_read_all(int fd, char *buffer, size_t room)
{
	size_t size = 0;

	while (size < room)
	{
		ssize_t n = read(fd, buffer + size, room - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		size += n;
	}
	return (ssize_t) size;
}

size_t
op_read_secret_file(const OpSecretFile *file, const char *path, char *buffer)
{
	ssize_t size;
	int		fd;

	check_place(file, path);
	fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		refuse_errno(file, "The file cannot be opened");
	check_file(file, fd);
	/* one byte more, so that a file which has grown meanwhile is noticed */
	size = op_read_all(fd, buffer, file->max_size + 1);
	CloseTransientFile(fd);
	if (size >= 0 && (size_t) size <= file->max_size)
		return (size_t) size;
	op_cleanse(buffer, file->max_size + 1);
	refuse(file, size < 0 ? "The file cannot be read." : "The file is too large to be one.",
		   file->size_hint);
	pg_unreachable();
}

void
op_check_secret_directory(const OpSecretFile *file, const char *path)
{
	struct stat st;

	check_place(file, path);
	if (stat(path, &st) != 0)
		refuse(file, psprintf("The directory cannot be examined: %m."), DIRECTORY_HINT);
	if (!S_ISDIR(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) ||
		(st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		refuse(file, "It is no directory, belongs to another user, or others may write to it.",
			   DIRECTORY_HINT);
}
