/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_SCATTERLIST_H
#define _SHIM_LINUX_SCATTERLIST_H

#include <linux/types.h>

struct scatterlist {
	void *buf;
	unsigned int length;
	bool end;
};

static inline void sg_mark_end(struct scatterlist *sg)
{
	sg->end = true;
}

static inline void sg_init_table(struct scatterlist *sg, unsigned int n)
{
	__builtin_memset(sg, 0, n * sizeof(*sg));
	sg_mark_end(&sg[n - 1]);
}

static inline void sg_set_buf(struct scatterlist *sg, void *buf,
			      unsigned int len)
{
	sg->buf = buf;
	sg->length = len;
}

static inline struct scatterlist *sg_next(struct scatterlist *sg)
{
	return sg->end ? NULL : sg + 1;
}

#endif /* _SHIM_LINUX_SCATTERLIST_H */
