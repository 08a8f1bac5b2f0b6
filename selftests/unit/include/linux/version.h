/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_VERSION_H
#define _SHIM_LINUX_VERSION_H


#endif /* _SHIM_LINUX_VERSION_H */
