/* share.h - how the bridges of a plant divide its devices.
 *
 * A plant has bridge.shares shares, and each share one bridge: its own writer of the stream and its
 * own client of the broker, called by the name of the share. Which share a device belongs to
 * follows from its name and the number of shares alone, so nobody has to ask anybody. */
#ifndef MW_PLANT_SHARE_H
#define MW_PLANT_SHARE_H

#include "core/span.h"

#include <stddef.h>

#define MW_SHARES_MAX 64
#define MW_SHARE_NAME 16 /* with its NUL */

/* 0 to shares - 1 (shares: from 1): the jump consistent hash (Lamping and Veach, 2014) of the
 * FNV-1a hash of the name. One share more takes devices from all others and moves no other one. */
size_t mw_share_of(struct mw_span device, size_t shares);

/* The writer of a share of a role's, bridges or scorers: "<role>" for share 0, else
 * "<role>-<share>". */
void mw_share_writer(const char *role, size_t share, char name[MW_SHARE_NAME]);
/* That of a bridge. */
void mw_share_name(size_t share, char name[MW_SHARE_NAME]);

#endif
