// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of IPVS sync: policy */

#include <kunit/test.h>

#include "../ip_vs_sync_policy.h"

static void ipvs_sync_policy_sizes(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sizeof(union nf_inet_addr), 16);
}

static struct kunit_case ipvs_sync_policy_cases[] = {
	KUNIT_CASE(ipvs_sync_policy_sizes),
	{}
};

static struct kunit_suite ipvs_sync_policy_suite = {
	.name		= "ipvs_sync_policy",
	.test_cases	= ipvs_sync_policy_cases,
};

kunit_test_suites(&ipvs_sync_policy_suite);
