/*
 * root_key.c
 *	  Reading the root key; see root_key.h.
 *
 * A file is read whenever data keys are unwrapped, which is once in a session
 * and after each change of them: whoever replaces it needs no restart.
 *
 * A command may be slow, and ask a service that counts. So its output is kept,
 * in a page of shared memory that core files leave out; hence it needs the
 * library in shared_preload_libraries. A reload of the configuration makes the
 * next one who needs a key run it again. No lock is held while it runs: two
 * who come at once may both run it.
 *
 * The bytes of a source go nowhere but into buffers that are cleansed here, and
 * no message shows them.
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "errors.h"
#include "root_key.h"
#include "secret_file.h"
#include "settings.h"

#define SOURCE_MAX 16384
#define CHECK_TEXT "order_payment root key check value"

/* What all processes share about the command. */
typedef struct SharedRoot
{
	pg_atomic_uint64 reloads; /* counted by the postmaster; the first is 1 */
	LWLock			*lock;
	uint64			 kept_since; /* the reload at which `kept` was read, 0: never */
	OpRootKeys		*kept;		 /* in a page of its own */
} SharedRoot;

static SharedRoot			  *shared = NULL;
static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

/* ---------- errors, each said once ---------- */

#define REFUSAL "the root key cannot be read"
#define FORMAT_HINT \
	"Each line has an id (1, 2, ...) and 64 hexadecimal digits, with one blank between; see the README for how to make one."
#define PLACE_HINT "Name a file outside of the data directory by its absolute path."

static void
refuse_source(const char *detail, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_OP_NO_KEY), errmsg(REFUSAL), errdetail_internal("%s", detail),
					errhint("%s", hint)));
}

/* ---------- lines ---------- */

static bool
read_id(const char *text, const char *end, uint32 *id)
{
	uint64 value = 0;

	if (text == end || *text == '0' || end - text > 10)
		return false;
	for (; text < end; text++)
	{
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64) (*text - '0');
	}
	*id = (uint32) value;
	return value <= PG_INT32_MAX;
}

/* Adds a component to the key of its id; the keys stay in order. */
static bool
add_component(OpRootKeys *keys, uint32 id, const uint8 bytes[OP_KEY_SIZE])
{
	int at = 0;

	while (at < keys->n && keys->keys[at].id < id)
		at++;
	if (at == keys->n || keys->keys[at].id != id)
	{
		if (keys->n == OP_ROOT_KEYS_MAX)
			return false;
		memmove(&keys->keys[at + 1], &keys->keys[at], (keys->n - at) * sizeof(OpRootKey));
		memset(&keys->keys[at], 0, sizeof(OpRootKey));
		keys->keys[at].id = id;
		keys->n++;
	}
	for (int i = 0; i < OP_KEY_SIZE; i++)
		keys->keys[at].key[i] ^= bytes[i];
	return true;
}

static bool
read_line(OpRootKeys *keys, const char *line, const char *end)
{
	const char *blank = memchr(line, ' ', end - line);
	uint8		bytes[OP_KEY_SIZE];
	uint32		id;
	bool		done;

	if (line == end || *line == '#')
		return true;
	done = blank != NULL && read_id(line, blank, &id) &&
		   op_hex_decode(blank + 1, end - blank - 1, bytes, sizeof(bytes)) &&
		   add_component(keys, id, bytes);
	op_cleanse(bytes, sizeof(bytes));
	return done;
}

/* Equal components make zeros: somebody took one twice. */
static bool
has_zero_key(const OpRootKeys *keys)
{
	static const uint8 zeros[OP_KEY_SIZE];

	for (int i = 0; i < keys->n; i++)
	{
		if (op_equal(keys->keys[i].key, zeros, OP_KEY_SIZE))
			return true;
	}
	return false;
}

/* NULL if all is well, else what is wrong with the source; the keys are cleansed then. */
static const char *
parse_source(const char *text, size_t size, OpRootKeys *keys)
{
	const char *end = text + size;
	const char *fault = NULL;
	int			number = 0;

	memset(keys, 0, sizeof(*keys));
	while (text < end && fault == NULL)
	{
		const char *newline = memchr(text, '\n', end - text);
		const char *stop = newline ? newline : end;

		number++;
		if (!read_line(keys, text, stop))
			fault = psprintf("Line %d is not an id and a key, or is one id too many.", number);
		text = stop + 1;
	}
	if (fault == NULL && keys->n == 0)
		fault = "There is no key in it.";
	if (fault == NULL && has_zero_key(keys))
		fault = "The components of a key cancel each other out: one was given twice.";
	if (fault != NULL)
		op_cleanse(keys, sizeof(*keys));
	return fault;
}

/* ---------- the file ---------- */

static void
read_file(const char *path, OpRootKeys *keys)
{
	static const OpSecretFile file = {.code = ERRCODE_OP_NO_KEY,
									  .refusal = REFUSAL,
									  .place_hint = PLACE_HINT,
									  .size_hint = FORMAT_HINT,
									  .max_size = SOURCE_MAX};
	char					  buffer[SOURCE_MAX + 1];
	size_t					  size = op_read_secret_file(&file, path, buffer);
	const char				 *fault = parse_source(buffer, size, keys);

	op_cleanse(buffer, sizeof(buffer));
	if (fault != NULL)
		refuse_source(fault, FORMAT_HINT);
}

/* ---------- the command ---------- */

#define COMMAND_HINT \
	"order_payment.root_key_command is run by the user that runs the server, and is to print the key and to end with status 0 within seconds."

static void
run_command(const char *command, OpRootKeys *keys)
{
	char		buffer[SOURCE_MAX + 1];
	const char *fault;
	ssize_t		size;
	int			status;
	FILE	   *pipe = OpenPipeStream(command, PG_BINARY_R);

	if (pipe == NULL)
		refuse_source(psprintf("The command cannot be run: %m."), COMMAND_HINT);
	/* read() on the descriptor, for stdio would keep a copy in its buffer */
	size = op_read_all(fileno(pipe), buffer, sizeof(buffer));
	status = ClosePipeStream(pipe);
	if (size < 0 || status != 0)
		fault = "The command failed.";
	else if (size > SOURCE_MAX)
		fault = "The command printed too much.";
	else
		fault = parse_source(buffer, size, keys);
	op_cleanse(buffer, sizeof(buffer));
	if (fault == NULL)
		return;
	CHECK_FOR_INTERRUPTS(); /* who cancels us ends the command too */
	refuse_source(fault, COMMAND_HINT);
}

/* What was kept, if nobody has reloaded the configuration since. */
static bool
take_kept(uint64 reloads, OpRootKeys *keys)
{
	bool is_there;

	LWLockAcquire(shared->lock, LW_SHARED);
	is_there = shared->kept_since == reloads;
	if (is_there)
		memcpy(keys, shared->kept, sizeof(*keys));
	LWLockRelease(shared->lock);
	return is_there;
}

static void
read_command(const char *command, OpRootKeys *keys)
{
	uint64 reloads;

	if (shared == NULL)
		refuse_source("order_payment.root_key_command is set, but its output cannot be kept.",
					  "Add order_payment to shared_preload_libraries and restart the server.");
	reloads = pg_atomic_read_u64(&shared->reloads);
	if (take_kept(reloads, keys))
		return;
	run_command(command, keys);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (shared->kept_since < reloads)
	{
		memcpy(shared->kept, keys, sizeof(*keys));
		shared->kept_since = reloads;
	}
	LWLockRelease(shared->lock);
}

/* ---------- what others call ---------- */

static bool
is_set(const char *setting)
{
	return setting != NULL && setting[0] != '\0';
}

void
op_read_root_keys(OpRootKeys *keys)
{
	if (is_set(op_root_key_command))
		read_command(op_root_key_command, keys);
	else if (is_set(op_root_key_file))
		read_file(op_root_key_file, keys);
	else
		refuse_source("No root key is configured.",
					  "Set order_payment.root_key_file or order_payment.root_key_command in postgresql.conf and reload the configuration; see \"Keys\" in the README.");
}

const OpRootKey *
op_find_root_key(const OpRootKeys *keys, uint32 id)
{
	for (int i = 0; i < keys->n; i++)
	{
		if (keys->keys[i].id == id)
			return &keys->keys[i];
	}
	return NULL;
}

bool
op_root_key_check(const OpRootKey *key, uint8 check[OP_ROOT_CHECK_SIZE])
{
	uint8 digest[OP_DIGEST_SIZE];
	bool  done =
		op_hmac_sha256((OpBytes){key->key, OP_KEY_SIZE},
					   (OpBytes){(const uint8 *) CHECK_TEXT, strlen(CHECK_TEXT)}, digest);

	memcpy(check, digest, OP_ROOT_CHECK_SIZE);
	op_cleanse(digest, sizeof(digest));
	return done;
}

/* ---------- shared memory ---------- */

/* The keys have pages of their own, at the end of what is asked for. */
static Size
page_size(void)
{
	return (Size) sysconf(_SC_PAGESIZE);
}

static Size
shared_size(void)
{
	return MAXALIGN(sizeof(SharedRoot)) + page_size() + TYPEALIGN(page_size(), sizeof(OpRootKeys));
}

static void
request_memory(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("order_payment", 1);
}

static void
start_memory(void)
{
	bool found;

	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("order_payment root key", shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, shared_size());
		pg_atomic_init_u64(&shared->reloads, 1);
		shared->lock = &(GetNamedLWLockTranche("order_payment"))->lock;
		shared->kept = (OpRootKeys *) TYPEALIGN(page_size(), (char *) shared + sizeof(SharedRoot));
#ifdef MADV_DONTDUMP
		madvise(shared->kept, TYPEALIGN(page_size(), sizeof(OpRootKeys)), MADV_DONTDUMP);
#endif
	}
	LWLockRelease(AddinShmemInitLock);
}

/* The postmaster reads the configuration once for each reload. */
static void
count_reload(void)
{
	if (shared != NULL && !IsUnderPostmaster)
		pg_atomic_fetch_add_u64(&shared->reloads, 1);
}

void
op_root_key_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	op_configuration_read = count_reload;
	previous_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = start_memory;
}
