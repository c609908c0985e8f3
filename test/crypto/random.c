/*
 * random.c
 *	  No two processes draw the same random bytes, whatever was in stock when they
 *	  parted, and whether or not the system wipes pages at fork.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRAWS	  400
#define PROCESSES 4
#define DRAW_SIZE OP_NONCE_SIZE
#define PAGE_SIZE 4096

static void *pool = NULL;		  /* the page that crypto.c asked to have wiped */
static bool	 refuse_wipe = false; /* play a kernel before 4.14 */

/* Stands before the C library's: crypto.c calls this one. */
int
madvise(void *address, size_t size, int advice)
{
	if (advice == MADV_WIPEONFORK && refuse_wipe)
		return -1;
	if (advice == MADV_WIPEONFORK)
		pool = address;
	return (int) syscall(SYS_madvise, address, size, advice);
}

static void
draw_into(int pipe)
{
	for (int i = 0; i < DRAWS; i++)
	{
		uint8 drawn[DRAW_SIZE];

		if (!op_random(drawn, DRAW_SIZE) || write(pipe, drawn, DRAW_SIZE) != DRAW_SIZE)
			_exit(2);
	}
}

/* A child, its child, and another child after the parent has drawn again. */
static void
draw_in_processes(int pipe)
{
	for (int child = 0; child < 2; child++)
	{
		pid_t pid = fork();

		if (pid == 0)
		{
			if (pool != NULL && !all_are(pool, PAGE_SIZE, 0))
				_exit(3);
			draw_into(pipe);
			if (child == 0 && fork() == 0)
			{
				draw_into(pipe);
				_exit(0);
			}
			while (wait(NULL) > 0)
				;
			_exit(0);
		}
		if (pid < 0)
			_exit(4);
		if (child == 0)
			draw_into(pipe);
	}
}

static int
compare_draws(const void *a, const void *b)
{
	return memcmp(a, b, DRAW_SIZE);
}

/* Reads what all processes drew; whether it is all there and no draw occurs twice. */
static bool
is_unique(int pipe)
{
	static uint8 draws[DRAWS * PROCESSES + 1][DRAW_SIZE];
	size_t		 size = 0;
	ssize_t		 got;

	while ((got = read(pipe, (uint8 *) draws + size, sizeof(draws) - size)) > 0)
		size += (size_t) got;
	if (size != (size_t) DRAWS * PROCESSES * DRAW_SIZE)
		return false;
	qsort(draws, DRAWS * PROCESSES, DRAW_SIZE, compare_draws);
	for (int i = 1; i < DRAWS * PROCESSES; i++)
	{
		if (memcmp(draws[i - 1], draws[i], DRAW_SIZE) == 0)
			return false;
	}
	return true;
}

static bool
is_fork_safe(void)
{
	int	  ends[2];
	int	  status;
	bool  good = true;
	uint8 first[DRAW_SIZE];

	/* something is in stock */
	if (!op_random(first, DRAW_SIZE) || pipe(ends) != 0)
		return false;
	draw_in_processes(ends[1]);
	close(ends[1]);
	good = is_unique(ends[0]);
	close(ends[0]);
	while (wait(&status) > 0)
		good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return good;
}

static bool
is_fork_safe_without_wipe(void)
{
	int	  status = -1;
	pid_t pid = fork();

	if (pid == 0)
	{
		refuse_wipe = true;
		_exit(is_fork_safe() && pool == NULL ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The flags of the pool's mapping, as the kernel lists them; empty if it does not. */
static void
pool_flags(char *flags, size_t size)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char  line[512];
	bool  here = false;

	flags[0] = '\0';
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
	{
		unsigned long from;
		unsigned long to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (unsigned long) pool >= from && (unsigned long) pool < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, size, "%s", line + 8);
	}
	if (maps != NULL)
		fclose(maps);
}

static void
test_stock(void)
{
	char  flags[512];
	uint8 drawn[DRAW_SIZE];
	int	  stays = 0;

	if (pool == NULL)
	{
		printf("# this system wipes no page at fork: nothing is in stock\n");
		return;
	}
	for (int i = 0; i < DRAWS; i++)
	{
		op_random(drawn, DRAW_SIZE);
		stays += memmem(pool, PAGE_SIZE, drawn, DRAW_SIZE) != NULL;
	}
	ok(stays == 0, "what was drawn is no longer in stock");
	pool_flags(flags, sizeof(flags));
	if (flags[0] == '\0')
		printf("# no flags of mappings here\n");
	else
		ok(strstr(flags, " dd") != NULL && strstr(flags, " wf") != NULL,
		   "the stock is in no core dump and no child: flags %.*s", (int) strcspn(flags, "\n"), flags);
}

void
test_random(void)
{
	static const size_t sizes[] = {0, 1, 16, 32, 255, 4087, 4088, 4089, 4096, 100000};

	ok(is_fork_safe_without_wipe(), "no bytes are drawn twice by processes, on a system that wipes no page at fork");
	ok(is_fork_safe(), "no bytes are drawn twice by processes");
	test_stock();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		uint8 *drawn = room(sizes[i]);
		uint8 *again = room(sizes[i]);
		bool   good = op_random(drawn, sizes[i]) && op_random(again, sizes[i]);

		/* eight equal bytes by chance: one run in 2^64 */
		if (sizes[i] >= 16)
			good = good && memcmp(drawn, again, sizes[i]) != 0 && !all_are(drawn + sizes[i] - 8, 8, FILL);
		ok(good, "%zu random bytes", sizes[i]);
		free(drawn);
		free(again);
	}
	{
		uint8 *key = room(OP_KEY_SIZE);
		uint8 *other = room(OP_KEY_SIZE);

		ok(op_random_key(key, OP_KEY_SIZE) && op_random_key(other, OP_KEY_SIZE) &&
			   memcmp(key, other, OP_KEY_SIZE) != 0 && !all_are(key + OP_KEY_SIZE - 8, 8, FILL),
		   "random keys");
		free(key);
		free(other);
	}
}
