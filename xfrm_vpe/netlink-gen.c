// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vpe.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/vpe.h>

/* Integer value ranges */
static const struct netlink_range_validation vpe_a_netns_flow_rekey_range = {
	.max	= 86400ULL,
};

/* VPE_CMD_SA_GET - do */
const struct nla_policy vpe_sa_get_nl_policy[VPE_A_SA_MARK + 1] = {
	[VPE_A_SA_FAMILY] = { .type = NLA_U16, },
	[VPE_A_SA_DST] = NLA_POLICY_MIN_LEN(4),
	[VPE_A_SA_SPI] = { .type = NLA_BE32, },
	[VPE_A_SA_MARK] = { .type = NLA_U32, },
};

/* VPE_CMD_WINDOW_GET - do */
const struct nla_policy vpe_window_get_nl_policy[VPE_A_WINDOW_WINDOW_ID + 1] = {
	[VPE_A_WINDOW_FAMILY] = { .type = NLA_U16, },
	[VPE_A_WINDOW_DST] = NLA_POLICY_MIN_LEN(4),
	[VPE_A_WINDOW_SPI] = { .type = NLA_BE32, },
	[VPE_A_WINDOW_DIRECTION] = NLA_POLICY_MAX(NLA_U32, 1),
	[VPE_A_WINDOW_SENDER_ID] = { .type = NLA_U16, },
	[VPE_A_WINDOW_WINDOW_ID] = { .type = NLA_U16, },
};

/* VPE_CMD_NETNS_GET - do */
const struct nla_policy vpe_netns_get_nl_policy[VPE_A_NETNS_PAD + 1] = {
};

/* VPE_CMD_NETNS_SET - do */
const struct nla_policy vpe_netns_set_nl_policy[VPE_A_NETNS_FLOW_REKEY + 1] = {
	[VPE_A_NETNS_RX_WINDOWS_MAX] = { .type = NLA_U32, },
	[VPE_A_NETNS_LANES] = { .type = NLA_U32, },
	[VPE_A_NETNS_UDP_CSUM] = NLA_POLICY_MAX(NLA_U8, 1),
	[VPE_A_NETNS_UDP6_ZERO_CSUM_TX] = NLA_POLICY_MAX(NLA_U8, 1),
	[VPE_A_NETNS_NVO3_PORTS] = { .type = NLA_BINARY, },
	[VPE_A_NETNS_SA_RX_WINDOWS_MAX] = { .type = NLA_U32, },
	[VPE_A_NETNS_SENDER_RX_WINDOWS_MAX] = { .type = NLA_U32, },
	[VPE_A_NETNS_CLASS_MAP] = NLA_POLICY_EXACT_LEN(64),
	[VPE_A_NETNS_CLASS_SOURCE] = NLA_POLICY_MAX(NLA_U32, 1),
	[VPE_A_NETNS_STEER_CPUS] = { .type = NLA_NUL_STRING, .len = 1024, },
	[VPE_A_NETNS_FLOW_REKEY] = NLA_POLICY_FULL_RANGE(NLA_U32, &vpe_a_netns_flow_rekey_range),
};

/* VPE_CMD_LISTEN_GET - do */
const struct nla_policy vpe_listen_get_nl_policy[VPE_A_LISTEN_PORT + 1] = {
	[VPE_A_LISTEN_PORT] = NLA_POLICY_MIN(NLA_BE16, 1),
};

/* VPE_CMD_LISTEN_NEW - do */
const struct nla_policy vpe_listen_new_nl_policy[VPE_A_LISTEN_UDP6_ZERO_CSUM_RX + 1] = {
	[VPE_A_LISTEN_PORT] = NLA_POLICY_MIN(NLA_BE16, 1),
	[VPE_A_LISTEN_UDP6_ZERO_CSUM_RX] = { .type = NLA_FLAG, },
};

/* VPE_CMD_LISTEN_DEL - do */
const struct nla_policy vpe_listen_del_nl_policy[VPE_A_LISTEN_PORT + 1] = {
	[VPE_A_LISTEN_PORT] = NLA_POLICY_MIN(NLA_BE16, 1),
};

/* VPE_CMD_WINDOW_SET - do */
const struct nla_policy vpe_window_set_nl_policy[VPE_A_WINDOW_SEQ + 1] = {
	[VPE_A_WINDOW_FAMILY] = { .type = NLA_U16, },
	[VPE_A_WINDOW_DST] = NLA_POLICY_MIN_LEN(4),
	[VPE_A_WINDOW_SPI] = { .type = NLA_BE32, },
	[VPE_A_WINDOW_SENDER_ID] = { .type = NLA_U16, },
	[VPE_A_WINDOW_WINDOW_ID] = { .type = NLA_U16, },
	[VPE_A_WINDOW_SEQ] = { .type = NLA_U64, },
};

/* VPE_CMD_CLOCK_SET - do */
const struct nla_policy vpe_clock_set_nl_policy[VPE_A_SA_CLOCK_SIZE + 1] = {
	[VPE_A_SA_FAMILY] = { .type = NLA_U16, },
	[VPE_A_SA_DST] = NLA_POLICY_MIN_LEN(4),
	[VPE_A_SA_SPI] = { .type = NLA_BE32, },
	[VPE_A_SA_MARK] = { .type = NLA_U32, },
	[VPE_A_SA_CLOCK_RATE] = { .type = NLA_U32, },
	[VPE_A_SA_CLOCK_SIZE] = { .type = NLA_U32, },
};

/* Ops table for vpe */
const struct genl_ops vpe_nl_ops[9] = {
	{
		.cmd		= VPE_CMD_SA_GET,
		.doit		= vpe_nl_sa_get_doit,
		.dumpit		= vpe_nl_sa_get_dumpit,
		.policy		= vpe_sa_get_nl_policy,
		.maxattr	= VPE_A_SA_MARK,
	},
	{
		.cmd		= VPE_CMD_WINDOW_GET,
		.doit		= vpe_nl_window_get_doit,
		.dumpit		= vpe_nl_window_get_dumpit,
		.policy		= vpe_window_get_nl_policy,
		.maxattr	= VPE_A_WINDOW_WINDOW_ID,
	},
	{
		.cmd		= VPE_CMD_NETNS_GET,
		.doit		= vpe_nl_netns_get_doit,
		.policy		= vpe_netns_get_nl_policy,
		.maxattr	= VPE_A_NETNS_PAD,
	},
	{
		.cmd		= VPE_CMD_NETNS_SET,
		.doit		= vpe_nl_netns_set_doit,
		.policy		= vpe_netns_set_nl_policy,
		.maxattr	= VPE_A_NETNS_FLOW_REKEY,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= VPE_CMD_LISTEN_GET,
		.doit		= vpe_nl_listen_get_doit,
		.dumpit		= vpe_nl_listen_get_dumpit,
		.policy		= vpe_listen_get_nl_policy,
		.maxattr	= VPE_A_LISTEN_PORT,
	},
	{
		.cmd		= VPE_CMD_LISTEN_NEW,
		.doit		= vpe_nl_listen_new_doit,
		.policy		= vpe_listen_new_nl_policy,
		.maxattr	= VPE_A_LISTEN_UDP6_ZERO_CSUM_RX,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= VPE_CMD_LISTEN_DEL,
		.doit		= vpe_nl_listen_del_doit,
		.policy		= vpe_listen_del_nl_policy,
		.maxattr	= VPE_A_LISTEN_PORT,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= VPE_CMD_WINDOW_SET,
		.doit		= vpe_nl_window_set_doit,
		.policy		= vpe_window_set_nl_policy,
		.maxattr	= VPE_A_WINDOW_SEQ,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= VPE_CMD_CLOCK_SET,
		.doit		= vpe_nl_clock_set_doit,
		.policy		= vpe_clock_set_nl_policy,
		.maxattr	= VPE_A_SA_CLOCK_SIZE,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
};
