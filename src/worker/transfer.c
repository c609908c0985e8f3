/*
 * transfer.c
 *	  One request on its way: what libcurl is told of it, and what it tells.
 *
 * begun	libcurl has a connection whose peer is verified, and is about to write the
 *			request to it. It says so in a callback of its own
 *			(CURLOPT_PREREQFUNCTION), which is the proof of NOT_SENT: where it was
 *			not called, no byte of the request has left. Codes of errors and
 *			counters of bytes say less, for they are filled in after a write
 *
 * One connection serves one request. On one that is used again, libcurl sends a
 * request a second time if the first came to nothing, and a server that had sent
 * two answers to one request would have the second taken for the answer to
 * the next. Neither is for payments; a TLS handshake is the price. For the same
 * reason sessions are not resumed: each peer is verified now.
 *
 * Callbacks are called inside of libcurl, which must not be left by longjmp():
 * they raise nothing, use malloc(), and call no function of the server that could
 * raise. They say by their result that the transfer is to end.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "address.h"
#include "request.h"
#include "transfer.h"

/* for CURLOPT_QUICK_EXIT: who cancels a request does not wait for its name to be resolved */
#if LIBCURL_VERSION_NUM < 0x075700
#error "order_payment_worker needs libcurl 7.87 or later; make WITH_WORKER=no leaves it out"
#endif

/* 8.6 gave too long a header a code of its own; before, it is as if memory were used up */
#if LIBCURL_VERSION_NUM < 0x080600
#define CURLE_TOO_LARGE CURLE_OUT_OF_MEMORY
#endif

#define MAX_REPLY_HEADERS 65536 /* bytes */
#define CA_CACHE_SECONDS  600L	/* a changed file of certificates is seen after it */
#define USER_AGENT		  "order_payment/" ORDER_PAYMENT_VERSION

/* ---------- callbacks ---------- */

static bool
append(OpTransfer *transfer, OpBuffer *buffer, const char *data, size_t size)
{
	OpBufferResult result = op_buffer_append(buffer, data, size);

	transfer->too_large |= result == OP_BUFFER_FULL;
	transfer->no_resources |= result == OP_BUFFER_NO_MEMORY;
	return result == OP_BUFFER_OK;
}


static curl_socket_t
open_socket(void *clientp, curlsocktype purpose, struct curl_sockaddr *address)
{
	OpTransfer *transfer = clientp;
	int			result;

	if (!transfer->settings->allow_private && !op_address_is_public(&address->addr))
	{
		transfer->refused = true;
		return CURL_SOCKET_BAD;
	}
	result = socket(address->family, address->socktype, address->protocol);
	if (result >= 0)
		(void) fcntl(result, F_SETFD, FD_CLOEXEC);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		transfer->no_resources = true;
	return result >= 0 ? result : CURL_SOCKET_BAD;
}

/* A second time would be a second attempt. */
static int
begin(void *clientp, char *peer, char *local, int peer_port, int local_port)
{
	OpTransfer *transfer = clientp;

	if (transfer->begun)
		return CURL_PREREQFUNC_ABORT;
	transfer->begun = true;
	return CURL_PREREQFUNC_OK;
}

/* What libcurl lets pass though it is none: without a name, a continuation, with a zero byte. */
static bool
is_header(const char *line, size_t size)
{
	const char *colon = memchr(line, ':', size);

	return colon != NULL && colon != line && *line != ' ' && *line != '\t' &&
		   memchr(line, '\0', size) == NULL;
}

/* Does it say where the body ends? A coding alone does not, but chunks do. */
static bool
is_bound(const char *line, size_t size)
{
	static const char length[] = "Content-Length:";
	static const char coding[] = "Transfer-Encoding:";
	static const char chunks[] = "chunked";

	if (size >= sizeof(length) && pg_strncasecmp(line, length, sizeof(length) - 1) == 0)
		return true;
	if (size < sizeof(coding) || pg_strncasecmp(line, coding, sizeof(coding) - 1) != 0)
		return false;
	for (const char *at = line; at + sizeof(chunks) - 1 <= line + size; at++)
	{
		if (pg_strncasecmp(at, chunks, sizeof(chunks) - 1) == 0)
			return true;
	}
	return false;
}

/* One line at a time; those of interim answers and trailers too, which are let go. */
static size_t
take_header(char *line, size_t one, size_t size, void *clientp)
{
	OpTransfer *transfer = clientp;
	OpBuffer   *headers = &transfer->reply_headers;
	size_t		length = size;

	transfer->header_bytes += size;
	if (transfer->header_bytes > MAX_REPLY_HEADERS)
	{
		transfer->too_large = true;
		return 0;
	}
	if (transfer->reply_body.size > 0)
		return size;
	if (size > 5 && memcmp(line, "HTTP/", 5) == 0)
	{
		headers->size = 0;
		transfer->bounded = false;
	}
	transfer->bounded |= is_bound(line, size);
	while (length > 0 && strchr(" \t\r\n", line[length - 1]) != NULL && line[length - 1] != '\0')
		length--;
	if (!is_header(line, length))
		return size;
	return append(transfer, headers, line, length) && append(transfer, headers, "", 1) ? size : 0;
}

static size_t
take_body(char *data, size_t one, size_t size, void *clientp)
{
	OpTransfer *transfer = clientp;

	return append(transfer, &transfer->reply_body, data, size) ? size : 0;
}

/* ---------- what libcurl is told ---------- */

static const struct
{
	CURLoption option;
	long	   value;
} rules[] = {
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_SECONDS},
	{CURLOPT_FRESH_CONNECT, 1},
	{CURLOPT_FORBID_REUSE, 1},
	{CURLOPT_SSL_SESSIONID_CACHE, 0},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
	{CURLOPT_HTTP09_ALLOWED, 0},
	{CURLOPT_HTTP_CONTENT_DECODING, 0},
	/* what was signed is what is sent */
	{CURLOPT_PATH_AS_IS, 1},
	/* timeouts by the loop, not by signals: those are the server's */
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_QUICK_EXIT, 1},
};

static bool
set_rules(CURL *easy, const OpHttpsSettings *settings)
{
	curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
	bool					result = true;

	for (size_t i = 0; i < lengthof(rules); i++)
		result &= curl_easy_setopt(easy, rules[i].option, rules[i].value) == CURLE_OK;
	result &= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK;
	/* empty is none; not told, it would be looked for in the environment */
	result &= curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK;
	result &= curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT) == CURLE_OK;
	if (settings->ca_file != NULL)
		result &= curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file) == CURLE_OK;
	/* a directory beside the file would be trusted too, and keep libcurl from caching the file */
	if (settings->ca_file != NULL || version->cainfo != NULL)
		result &= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
	if (settings->crl_file != NULL)
		result &= curl_easy_setopt(easy, CURLOPT_CRLFILE, settings->crl_file) == CURLE_OK;
	return result;
}

static bool
set_callbacks(OpTransfer *transfer)
{
	CURL *easy = transfer->easy;

	return curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, begin) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
}

static bool
add_header(OpTransfer *transfer, const char *header)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, header);

	if (longer != NULL)
		transfer->headers = longer;
	return longer != NULL;
}

/* Headers without a value take those away that libcurl would add. */
static bool
set_headers(OpTransfer *transfer, const OpHttpsRequest *request)
{
	/* a body is sent at once, not after the other side was asked whether it wants it */
	if (!add_header(transfer, "Expect:"))
		return false;
	if (!op_request_has_header(request, "Content-Type") && !add_header(transfer, "Content-Type:"))
		return false;
	for (int i = 0; i < request->nheaders; i++)
	{
		if (!add_header(transfer, request->headers[i]))
			return false;
	}
	return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

static bool
set_request(OpTransfer *transfer, const OpHttpsRequest *request)
{
	CURL *easy = transfer->easy;
	int	  connect_ms = Min(request->timeout_ms, transfer->settings->connect_timeout_ms);
	bool  result = true;

	transfer->is_head = strcmp(request->method, "HEAD") == 0;
	transfer->body.limit = request->body_size;
	if (request->body != NULL)
		result = append(transfer, &transfer->body, request->body, request->body_size) &&
				 curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
								  (curl_off_t) request->body_size) == CURLE_OK &&
				 curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
								  transfer->body.data ? transfer->body.data : "") == CURLE_OK;
	if (transfer->is_head)
		result &= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
	else if (strcmp(request->method, "GET") != 0)
		result &= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
	return result && set_headers(transfer, request) &&
		   curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
		   /* a length without end would else be no length */
		   curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
							(curl_off_t) transfer->settings->max_body) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) request->timeout_ms) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) connect_ms) == CURLE_OK;
}

/* ---------- how it ends ---------- */

static const struct
{
	CURLcode	code;
	const char *error;
} errors[] = {
	{CURLE_URL_MALFORMAT, "bad_request"},
	{CURLE_COULDNT_RESOLVE_HOST, "name_not_resolved"},
	{CURLE_COULDNT_CONNECT, "not_connected"},
	{CURLE_OPERATION_TIMEDOUT, "timeout"},
	{CURLE_PEER_FAILED_VERIFICATION, "certificate_refused"},
	{CURLE_SSL_ISSUER_ERROR, "certificate_refused"},
	{CURLE_SSL_CONNECT_ERROR, "tls_failed"},
	{CURLE_SSL_CIPHER, "tls_failed"},
	{CURLE_SSL_CACERT_BADFILE, "trust_unusable"},
	{CURLE_SSL_CRL_BADFILE, "trust_unusable"},
	{CURLE_GOT_NOTHING, "connection_lost"},
	{CURLE_SEND_ERROR, "connection_lost"},
	{CURLE_RECV_ERROR, "connection_lost"},
	{CURLE_PARTIAL_FILE, "connection_lost"},
	{CURLE_FILESIZE_EXCEEDED, "reply_too_large"},
	{CURLE_TOO_LARGE, "reply_too_large"},
	/* of the answer; that of the URL was looked at */
	{CURLE_UNSUPPORTED_PROTOCOL, "reply_malformed"},
	{CURLE_WEIRD_SERVER_REPLY, "reply_malformed"},
	{CURLE_BAD_CONTENT_ENCODING, "reply_malformed"},
};

static const char *
error_word(const OpTransfer *transfer, CURLcode result)
{
	if (transfer->too_large)
		return "reply_too_large";
	if (transfer->no_resources)
		return "no_resources";
	if (transfer->refused && result == CURLE_COULDNT_CONNECT)
		return "address_refused";
	if (result == CURLE_OUT_OF_MEMORY && !transfer->begun)
		return "no_resources";
	for (size_t i = 0; i < lengthof(errors); i++)
	{
		if (errors[i].code == result)
			return errors[i].error;
	}
	return "failed";
}

static void
set_error_text(OpTransfer *transfer, const char *text)
{
	if (transfer->error_text[0] == '\0')
		strlcpy(transfer->error_text, text, sizeof(transfer->error_text));
	for (char *c = transfer->error_text; *c != '\0'; c++)
	{
		if (*c < ' ' || *c >= 0x7f)
			*c = '?';
	}
}

static void
fail(OpTransfer *transfer, OpHttpsOutcome outcome, const char *error, const char *text)
{
	transfer->outcome = outcome;
	transfer->error = error;
	set_error_text(transfer, text);
}

/* Overwritten by ourselves too: libcurl's memory may be that of another extension. */
static void
release_headers(OpTransfer *transfer)
{
	for (struct curl_slist *header = transfer->headers; header != NULL; header = header->next)
		explicit_bzero(header->data, strlen(header->data));
	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
}

static void
release_request(OpTransfer *transfer)
{
	if (transfer->easy != NULL)
		curl_easy_cleanup(transfer->easy);
	transfer->easy = NULL;
	release_headers(transfer);
	op_buffer_release(&transfer->body);
}

/*
 * The end of the connection must not be the end of the answer: whoever can cut a
 * connection could then cut an answer, for libcurl does not ask TLS which it was.
 */
static bool
is_whole(const OpTransfer *transfer, long status)
{
	return transfer->bounded || transfer->is_head || status == 204 || status == 304;
}

void
op_transfer_finish(OpTransfer *transfer, CURLcode result)
{
	long	   status = 0;
	instr_time duration;

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, transfer->since);
	transfer->duration_us = INSTR_TIME_GET_MICROSEC(duration);
	if (result != CURLE_OK)
		fail(transfer, transfer->begun ? OP_HTTPS_LOST : OP_HTTPS_NOT_SENT,
			 error_word(transfer, result), curl_easy_strerror(result));
	else if (status < 200 || status > 999)
		fail(transfer, OP_HTTPS_LOST, "reply_malformed", "the answer has no status");
	else if (!is_whole(transfer, status))
		fail(transfer, OP_HTTPS_LOST, "reply_malformed",
			 "the answer does not say how long its body is");
	else
	{
		transfer->outcome = OP_HTTPS_ANSWERED;
		transfer->status = status;
	}
	release_request(transfer);
}

bool
op_transfer_prepare(OpTransfer *transfer, const OpHttpsSettings *settings,
					const OpHttpsRequest *request)
{
	const char *fault = op_request_fault(request);

	transfer->settings = settings;
	transfer->owner = request->owner;
	transfer->reply_body.limit = settings->max_body;
	transfer->reply_headers.limit = MAX_REPLY_HEADERS;
	INSTR_TIME_SET_CURRENT(transfer->since);
	if (fault != NULL)
	{
		fail(transfer, OP_HTTPS_NOT_SENT, "bad_request", fault);
		return false;
	}
	transfer->easy = curl_easy_init();
	if (transfer->easy != NULL && set_rules(transfer->easy, settings) &&
		set_callbacks(transfer) && set_request(transfer, request))
		return true;
	fail(transfer, OP_HTTPS_NOT_SENT, "no_resources", "libcurl could not be prepared for the request");
	release_request(transfer);
	return false;
}

#ifdef OP_TESTING
bool
op_transfer_is_sent(const OpTransfer *transfer)
{
	long	   head = 0;
	curl_off_t body = 0;

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &head);
	(void) curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &body);
	return head > 0 && body == (curl_off_t) transfer->body.size;
}
#endif

/* ---------- the reply ---------- */

static void
copy_headers(const OpTransfer *transfer, OpHttpsReply *reply)
{
	const char *line = transfer->reply_headers.data;
	const char *end = line + transfer->reply_headers.size;
	int			n = 0;

	for (const char *at = line; at < end; at += strlen(at) + 1)
		n++;
	reply->headers = palloc_array(char *, n);
	for (; line < end; line += strlen(line) + 1)
		reply->headers[reply->nheaders++] = pstrdup(line);
}

/* Of what was lost nothing is shown: half an answer is none. */
void
op_transfer_reply(const OpTransfer *transfer, OpHttpsReply *reply)
{
	*reply = (OpHttpsReply){.owner = transfer->owner,
							.outcome = transfer->outcome,
							.status = transfer->status,
							.duration_us = transfer->duration_us,
							.error = transfer->error};
	if (transfer->outcome != OP_HTTPS_ANSWERED)
	{
		reply->error_text = pstrdup(transfer->error_text);
		return;
	}
	copy_headers(transfer, reply);
	reply->body_size = transfer->reply_body.size;
	reply->body = palloc(reply->body_size + 1);
	if (reply->body_size > 0)
		memcpy(reply->body, transfer->reply_body.data, reply->body_size);
	reply->body[reply->body_size] = '\0';
}

void
op_transfer_release(OpTransfer *transfer)
{
	release_request(transfer);
	op_buffer_release(&transfer->reply_headers);
	op_buffer_release(&transfer->reply_body);
}
