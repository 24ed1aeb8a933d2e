/* record_text.h - a record's JSON without the device and its numbers, which the uplink puts there.
 */
#ifndef MW_IOT_RECORD_TEXT_H
#define MW_IOT_RECORD_TEXT_H

#include "core/span.h"

#include <stddef.h>

/* Cuts {"v":1,"device":D,"machine":M,"boot":0,"seq":0, off a record written with boot and seq 0, in
 * place, keeping machine when it is not the device. An empty span when the text has no such start.
 */
struct mw_span mw_record_text_cut(char *text, size_t size, const char *device,
                                  struct mw_span machine);

#endif
