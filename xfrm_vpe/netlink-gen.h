/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vpe.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#ifndef _LINUX_VPE_GEN_H
#define _LINUX_VPE_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/vpe.h>

extern const struct nla_policy vpe_sa_get_nl_policy[VPE_A_SA_MARK + 1];

extern const struct nla_policy vpe_window_get_nl_policy[VPE_A_WINDOW_WINDOW_ID + 1];

extern const struct nla_policy vpe_netns_get_nl_policy[VPE_A_NETNS_PAD + 1];

extern const struct nla_policy vpe_netns_set_nl_policy[VPE_A_NETNS_FLOW_REKEY + 1];

extern const struct nla_policy vpe_listen_get_nl_policy[VPE_A_LISTEN_PORT + 1];

extern const struct nla_policy vpe_listen_new_nl_policy[VPE_A_LISTEN_UDP6_ZERO_CSUM_RX + 1];

extern const struct nla_policy vpe_listen_del_nl_policy[VPE_A_LISTEN_PORT + 1];

extern const struct nla_policy vpe_window_set_nl_policy[VPE_A_WINDOW_SEQ + 1];

extern const struct nla_policy vpe_clock_set_nl_policy[VPE_A_SA_CLOCK_SIZE + 1];

/* Ops table for vpe */
extern const struct genl_ops vpe_nl_ops[9];

int vpe_nl_sa_get_doit(struct sk_buff *skb, struct genl_info *info);
int vpe_nl_sa_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vpe_nl_window_get_doit(struct sk_buff *skb, struct genl_info *info);
int vpe_nl_window_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vpe_nl_netns_get_doit(struct sk_buff *skb, struct genl_info *info);
int vpe_nl_netns_set_doit(struct sk_buff *skb, struct genl_info *info);
int vpe_nl_listen_get_doit(struct sk_buff *skb, struct genl_info *info);
int vpe_nl_listen_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vpe_nl_listen_new_doit(struct sk_buff *skb, struct genl_info *info);
int vpe_nl_listen_del_doit(struct sk_buff *skb, struct genl_info *info);
int vpe_nl_window_set_doit(struct sk_buff *skb, struct genl_info *info);
int vpe_nl_clock_set_doit(struct sk_buff *skb, struct genl_info *info);

#endif /* _LINUX_VPE_GEN_H */
