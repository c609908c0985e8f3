/*
 * bare_client.c
 *	  What libcurl's multi interface does without a database: URL CA REQUESTS
 *	  AT_ONCE. Posts as many requests as that, with a body as a payment's, and
 *	  prints how many a second were answered by 200.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char body[] =
	"{\"fee\": 0.00, \"amount\": 10.00, \"number\": \"01a2091cba1a7cfd8cb44b406c36ca19\","
	" \"currency\": \"USD\", \"order_id\": \"2\"}";

static size_t
ignore(char *data, size_t size, size_t n, void *unused)
{
	(void) data;
	(void) unused;
	return size * n;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
start(CURLM *multi, const char *url, const char *ca, struct curl_slist *headers)
{
	CURL *request = curl_easy_init();

	curl_easy_setopt(request, CURLOPT_URL, url);
	curl_easy_setopt(request, CURLOPT_CAINFO, ca);
	curl_easy_setopt(request, CURLOPT_PROXY, "");
	curl_easy_setopt(request, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(request, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(request, CURLOPT_WRITEFUNCTION, ignore);
	curl_multi_add_handle(multi, request);
}

/* How many have ended; counts those that were answered by 200. */
static int
finish(CURLM *multi, int *answered)
{
	CURLMsg *message;
	int		 left;
	int		 n = 0;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURL *request = message->easy_handle;
		long  status = 0;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(request, CURLINFO_RESPONSE_CODE, &status);
		*answered += message->data.result == CURLE_OK && status == 200;
		curl_multi_remove_handle(multi, request);
		curl_easy_cleanup(request);
		n++;
	}
	return n;
}

int
main(int argc, char **argv)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	int				   requests = argc == 5 ? atoi(argv[3]) : 0;
	int				   at_once = argc == 5 ? atoi(argv[4]) : 0;
	int				   started = 0;
	int				   ended = 0;
	int				   answered = 0;
	CURLM			  *multi;
	double			   begun;

	if (requests <= 0 || at_once <= 0)
		return fprintf(stderr, "usage: bare_client URL CA REQUESTS AT_ONCE\n"), 2;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	begun = now();
	while (ended < requests)
	{
		int running;

		for (; started < requests && started - ended < at_once; started++)
			start(multi, argv[1], argv[2], headers);
		curl_multi_perform(multi, &running);
		ended += finish(multi, &answered);
		if (ended < requests)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	printf("%.1f\n", answered / (now() - begun));
	return answered == requests ? 0 : 1;
}
