/* SPDX-License-Identifier: GPL-2.0 */
/* KUnit tests of IPVS sync: messages as they are written down
 *
 * They are hexadecimal digits; blanks part the fields. Words in brackets lie in
 * host order in the message.
 */

#ifndef _IP_VS_SYNC_BYTES_H
#define _IP_VS_SYNC_BYTES_H

#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/string.h>

#define MESSAGE_MAX	288	/* of those written down */

/* From digits to bytes. Return: how many */
static inline unsigned int unhex(struct kunit *test, const char *hex, u8 *buf)
{
	unsigned int words = 0, len = 0;
	__be32 wire;
	u32 word;

	for (; *hex; hex++) {
		switch (*hex) {
		case ' ':
			break;
		case '[':
			words = len;
			break;
		case ']':
			for (; words < len; words += sizeof(word)) {
				memcpy(&wire, buf + words, sizeof(wire));
				word = ntohl(wire);
				memcpy(buf + words, &word, sizeof(word));
			}
			break;
		default:
			KUNIT_ASSERT_LT(test, len, MESSAGE_MAX);
			KUNIT_ASSERT_EQ(test, hex2bin(buf + len, hex, 1), 0);
			len++;
			hex++;
		}
	}
	return len;
}

/* A copy in a buffer of just that size, so that KASAN sees a read beyond it */
static inline u8 *exactly(struct kunit *test, const u8 *bytes,
			  unsigned int len)
{
	u8 *buf = kunit_kmalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memcpy(buf, bytes, len);
	return buf;
}

/* Make a message say that it is as long as it is */
static inline void set_size(u8 *message, unsigned int len)
{
	if (len >= 4) {
		message[2] = len >> 8;
		message[3] = len;
	}
}

static inline void expect_bytes(struct kunit *test, const u8 *got,
				const u8 *want, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		if (got[i] == want[i])
			continue;
		KUNIT_FAIL(test, "byte %u is %02x, not %02x", i, got[i],
			   want[i]);
		return;
	}
}

#endif	/* _IP_VS_SYNC_BYTES_H */
