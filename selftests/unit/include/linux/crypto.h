/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_CRYPTO_H
#define _SHIM_LINUX_CRYPTO_H

#include <linux/types.h>

#define CRYPTO_ALG_ASYNC	0x80
#define CRYPTO_MINALIGN		8

typedef void (*crypto_completion_t)(void *data, int err);

#endif /* _SHIM_LINUX_CRYPTO_H */
