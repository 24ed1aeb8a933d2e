#include "tiers/iot/record_text.h"

#include "core/wire/message.h"

#include <stdio.h>
#include <string.h>

struct mw_span mw_record_text_cut(char *text, size_t size, const char *device,
                                  struct mw_span machine)
{
    static const char mark[] = "\"boot\":0,\"seq\":0,";
    char *rest = memmem(text, size, mark, sizeof mark - 1);
    if (rest == NULL) {
        return (struct mw_span){NULL, 0};
    }
    rest += sizeof mark - 1;
    size_t head = 0;
    if (!mw_span_is(machine, device)) {
        char name[MW_NAME_MAX + 16];
        int n =
            snprintf(name, sizeof name, "\"machine\":\"%.*s\",", (int)machine.size, machine.data);
        head = (size_t)n;
        rest -= head; /* there is room: the same member stood before the numbers */
        memcpy(rest, name, head);
    }
    return (struct mw_span){rest, size - (size_t)(rest - text)};
}
