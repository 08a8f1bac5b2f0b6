/* SPDX-License-Identifier: GPL-2.0 */
/* Callbacks wait for rcu_barrier(): a use after free is seen */
#ifndef _SHIM_LINUX_RCUPDATE_H
#define _SHIM_LINUX_RCUPDATE_H

#include <linux/types.h>

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void rcu_barrier(void);

#define rcu_read_lock()		((void)0)
#define rcu_read_unlock()	((void)0)

#endif /* _SHIM_LINUX_RCUPDATE_H */
