/* SPDX-License-Identifier: GPL-2.0 */
/* CPUs are numbers that a test sets, for each thread */
#ifndef _SHIM_LINUX_SMP_H
#define _SHIM_LINUX_SMP_H

#include <linux/types.h>

#define SHIM_CPUS	4

extern __thread unsigned int shim_cpu;
extern __thread int shim_preempt_off;

#define preempt_disable()	((void)shim_preempt_off++)
#define preempt_enable()	((void)shim_preempt_off--)
#define smp_processor_id()	shim_cpu
#define nr_cpu_ids		((unsigned int)SHIM_CPUS)
#define cpu_possible(cpu)	((cpu) < nr_cpu_ids)
#define for_each_possible_cpu(cpu) \
	for ((cpu) = 0; (cpu) < SHIM_CPUS; (cpu)++)

#endif /* _SHIM_LINUX_SMP_H */
