/* table.h - which accelerators there are: how each is known in sysfs, and what its user needs of
 * it.
 *
 * A row is one way to know a device of a class. A class is what Kubernetes counts (the resource
 * millwright.dev/<class>) and what a scorer asks for. Lists are words with blanks between them:
 *
 *   match        names, any of which makes the device one of this row; shell patterns
 *                  usb:VVVV:PPPP           vendor and product, lower-case hexadecimal
 *                  pci:VVVV:DDDD:CCCCCC    vendor, device and class code
 *                  driver:NAME             of a PCI or platform device's driver
 *                  dt:TEXT                 one of a platform device's "compatible" texts
 *                  platform:NAME           a platform device without its number
 *                  dev:/dev/PATTERN        a device node that says it by its name alone
 *   nodes        device nodes of the device itself; shell patterns below /dev. The first pattern
 *                that finds one counts. %minor stands for the number that NVIDIA's driver tells.
 *                None for USB, whose node follows from its address
 *   shared       further nodes that its users need, those of them that are there
 *   mounts       files and folders of the host that its users need, read-only, HOST[:CONTAINER]
 *   environment  NAME=VALUE for its users
 *   health       FILE=VALUE[|VALUE...]: attributes in sysfs that have to say so, where they exist;
 *                looked for beside the node's own attributes, then the device's
 *
 * A user's rows come from a YAML file and go before the built-in ones:
 *
 *   accelerators:
 *     my-npu:
 *       match: [pci:1234:5678:*]
 *       nodes: /dev/mynpu[0-9]* */
#ifndef MW_ACCELERATOR_TABLE_H
#define MW_ACCELERATOR_TABLE_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define MW_ACCELERATOR_DOMAIN "millwright.dev"
#define MW_ACCELERATOR_CLASS 32 /* longest name of a class, in bytes */

enum mw_accelerator_list {
    MW_ACCELERATOR_MATCH,
    MW_ACCELERATOR_NODES,
    MW_ACCELERATOR_SHARED,
    MW_ACCELERATOR_MOUNTS,
    MW_ACCELERATOR_ENVIRONMENT,
    MW_ACCELERATOR_HEALTH,
    MW_ACCELERATOR_LISTS
};

struct mw_accelerator_row {
    const char *class;                       /* [a-z0-9-]{1,32} */
    const char *text;                        /* for people: "Coral USB" */
    const char *lists[MW_ACCELERATOR_LISTS]; /* NULL: empty */
};

struct mw_accelerator_table {
    struct mw_accelerator_row *row;
    size_t n;
};

/* The built-in rows, after those of the file at `path` (NULL or "": none). Errors: those of
 * mw_options_read_yaml; PARSE with the file's line. */
mw_err mw_accelerator_table_make(struct mw_accelerator_table *table, const char *path,
                                 struct mw_error *error);
/* The same from memory, without the built-in rows; `path` is for messages. */
mw_err mw_accelerator_table_parse(struct mw_accelerator_table *table, struct mw_span text,
                                  const char *path, struct mw_error *error);
void mw_accelerator_table_clear(struct mw_accelerator_table *table);

/* The next word of *rest (a list, NULL allowed); false at its end. */
bool mw_accelerator_next_word(const char **rest, struct mw_span *word);

#endif
