/*
 * request.c
 *	  What a request may consist of.
 *
 * Parts of a request come from rows, and so from strangers: an order's number, a
 * name in the metadata. None of them may begin a header or a request of its own,
 * so that control characters are refused wherever they stand before the body.
 * What says where a request ends, and how the connection is used, is libcurl's.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "request.h"

#define MAX_METHOD_SIZE 16
#define MAX_URL_SIZE	8192
#define MAX_HEADERS		64
#define MAX_HEADER_SIZE 16384

static const char *const headers_of_ours[] = {
	"Connection",
	"Content-Length",
	"Cookie",
	"Expect",
	"Host",
	"Keep-Alive",
	"TE",
	"Trailer",
	"Transfer-Encoding",
	"Upgrade",
};

static bool
holds_control(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if ((unsigned char) *text < ' ' || *text == 0x7f)
			return true;
	}
	return false;
}

/* What else there is must be percent-encoded. */
static bool
is_visible_ascii(const char *text)
{
	while (*text > ' ' && *text < 0x7f)
		text++;
	return *text == '\0';
}

/* A token of RFC 9110: what may stand in a method or the name of a header. */
static size_t
token_size(const char *text)
{
	return strspn(text, "!#$%&'*+-.^_`|~0123456789"
						"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

static bool
is_header(const char *header, const char *name)
{
	size_t size = strlen(name);

	return pg_strncasecmp(header, name, size) == 0 && header[size] == ':';
}

static bool
is_of_ours(const char *header)
{
	for (size_t i = 0; i < lengthof(headers_of_ours); i++)
	{
		if (is_header(header, headers_of_ours[i]))
			return true;
	}
	return false;
}

static const char *
header_fault(const char *header)
{
	size_t name = token_size(header);

	if (strlen(header) > MAX_HEADER_SIZE)
		return "a header is too long";
	if (name == 0 || header[name] != ':')
		return "a header has no name, or none that HTTP allows";
	if (holds_control(header))
		return "a header holds a control character";
	if (is_of_ours(header))
		return "a header is one that belongs to the connection";
	return NULL;
}

static const char *
method_fault(const OpHttpsRequest *request)
{
	size_t size = strspn(request->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	if (size == 0 || size > MAX_METHOD_SIZE || request->method[size] != '\0')
		return "the method is none";
	/* what they do is for proxies, and for tests of servers */
	if (strcmp(request->method, "CONNECT") == 0 || strcmp(request->method, "TRACE") == 0)
		return "the method is not for requests to a gateway";
	if (request->body != NULL &&
		(strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0))
		return "a request that only asks has no body";
	return NULL;
}

/* libcurl's own parser, for what it takes for the host is where the request goes. */
static const char *
parsed_url_fault(CURLU *parsed, const char *url)
{
	char *scheme;
	bool  is_https;

	if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK)
		return "the URL is malformed, or names a user";
	if (curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		return "the URL has no scheme";
	is_https = strcmp(scheme, "https") == 0;
	curl_free(scheme);
	return is_https ? NULL : "the URL is not one of https";
}

static const char *
url_fault(const char *url)
{
	CURLU	   *parsed;
	const char *result;

	if (strlen(url) > MAX_URL_SIZE)
		return "the URL is too long";
	if (!is_visible_ascii(url))
		return "the URL holds a blank, a control character or one outside ASCII";
	parsed = curl_url();
	if (parsed == NULL)
		return "there is no memory to look at the URL";
	result = parsed_url_fault(parsed, url);
	curl_url_cleanup(parsed);
	return result;
}

const char *
op_request_fault(const OpHttpsRequest *request)
{
	const char *result = method_fault(request);

	if (result == NULL)
		result = url_fault(request->url);
	if (result == NULL && request->nheaders > MAX_HEADERS)
		result = "there are too many headers";
	for (int i = 0; result == NULL && i < request->nheaders; i++)
		result = header_fault(request->headers[i]);
	return result;
}

bool
op_request_has_header(const OpHttpsRequest *request, const char *name)
{
	for (int i = 0; i < request->nheaders; i++)
	{
		if (is_header(request->headers[i], name))
			return true;
	}
	return false;
}
