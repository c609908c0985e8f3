/*
 * address.c
 *	  Which network addresses a request may go to.
 *
 * public	an address that leads to one machine on the Internet. All others are
 *			of this machine, of its neighbours, of nobody or of many, and who
 *			can choose a URL or answer for a name must not reach them by us
 *
 * The tables are those of IANA's registries of special-purpose addresses. For
 * IPv4 they name what is not public. IPv6 is public in 2000::/3 only, less
 * what they name; in some forms an IPv4 address is written inside, which
 * is where the packet goes, so that one counts.
 *
 * Looked at is the address a socket is about to be connected to, not a name: what
 * a name means can change between two looks.
 *
 * Called by callbacks of libcurl: raises nothing and allocates nothing.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "address.h"

#define IPV4_SIZE 4
#define IPV6_SIZE 16

typedef struct Network
{
	uint8 prefix[IPV6_SIZE];
	int	  bits;
} Network;

static const Network ipv4_not_public[] = {
	{{0}, 8},			  /* this network, and the unspecified address */
	{{10}, 8},			  /* private */
	{{100, 64}, 10},	  /* shared by carriers (CGNAT) */
	{{127}, 8},			  /* loopback */
	{{169, 254}, 16},	  /* link-local, and the metadata of clouds */
	{{172, 16}, 12},	  /* private */
	{{192, 0, 0}, 24},	  /* protocol assignments */
	{{192, 0, 2}, 24},	  /* documentation */
	{{192, 88, 99}, 24},  /* relays of 6to4 */
	{{192, 168}, 16},	  /* private */
	{{198, 18}, 15},	  /* benchmarks */
	{{198, 51, 100}, 24}, /* documentation */
	{{203, 0, 113}, 24},  /* documentation */
	{{224}, 4},			  /* multicast */
	{{240}, 4},			  /* reserved, and broadcast */
};

/* What lies outside of it is unspecified, loopback, local, multicast or reserved. */
static const Network ipv6_public = {{0x20}, 3};

static const Network ipv6_not_public[] = {
	{{0x20, 0x01, 0, 0}, 32},		/* Teredo: the address inside is disguised */
	{{0x20, 0x01}, 23},				/* protocol assignments, benchmarks, ORCHID */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
	{{0x3f, 0xff}, 20},				/* documentation */
};

/* An IPv4 address stands inside, this many bytes from the start. */
static const struct
{
	Network network;
	int		at;
} ipv6_with_ipv4[] = {
	{{{0}, 96}, 12},										/* compatible, as ::a.b.c.d */
	{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12}, /* mapped, as ::ffff:a.b.c.d */
	{{{0, 0x64, 0xff, 0x9b}, 96}, 12},						/* NAT64 */
	{{{0x20, 0x02}, 16}, 2},								/* 6to4 */
};

static bool
is_in(const uint8 *address, const Network *network)
{
	int whole = network->bits / BITS_PER_BYTE;
	int rest = network->bits % BITS_PER_BYTE;

	if (memcmp(address, network->prefix, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ network->prefix[whole]) >> (BITS_PER_BYTE - rest) == 0;
}

static bool
is_in_any(const uint8 *address, const Network *networks, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (is_in(address, &networks[i]))
			return true;
	}
	return false;
}

static bool
ipv4_is_public(const uint8 *address)
{
	return !is_in_any(address, ipv4_not_public, lengthof(ipv4_not_public));
}

static bool
ipv6_is_public(const uint8 *address)
{
	for (size_t i = 0; i < lengthof(ipv6_with_ipv4); i++)
	{
		if (is_in(address, &ipv6_with_ipv4[i].network))
			return ipv4_is_public(address + ipv6_with_ipv4[i].at);
	}
	return is_in(address, &ipv6_public) &&
		   !is_in_any(address, ipv6_not_public, lengthof(ipv6_not_public));
}

bool
op_address_is_public(const struct sockaddr *address)
{
	StaticAssertStmt(sizeof(struct in_addr) == IPV4_SIZE, "IPv4 addresses have 4 bytes");
	StaticAssertStmt(sizeof(struct in6_addr) == IPV6_SIZE, "IPv6 addresses have 16 bytes");

	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *ipv4 = (const struct sockaddr_in *) address;

		return ipv4_is_public((const uint8 *) &ipv4->sin_addr);
	}
	if (address->sa_family == AF_INET6)
	{
		const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *) address;

		return ipv6_is_public((const uint8 *) &ipv6->sin6_addr);
	}
	return false;
}
