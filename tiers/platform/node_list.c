#include "lib/accelerator/find.h"
#include "tiers/platform/node.h"

#include <jansson.h>
#include <stdio.h>

static json_t *describe(const struct mw_accelerator *device)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < device->nodes; i++) {
        json_array_append_new(nodes, json_string(device->node[i]));
    }
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:o, s:b}", "class", device->row->class, "id",
                            device->id, "name", device->name, "model", device->row->text, "nodes",
                            nodes, "healthy", (int)device->healthy);
    if (device->numa >= 0) {
        json_object_set_new(out, "numa", json_integer(device->numa));
    }
    if (!device->healthy) {
        json_object_set_new(out, "reason", json_string(device->reason));
    }
    return out;
}

static void print_json(const struct mw_accelerators *found)
{
    json_t *all = json_array();
    for (size_t i = 0; i < found->n; i++) {
        json_array_append_new(all, describe(&found->item[i]));
    }
    json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
}

static void print_table(const struct mw_accelerators *found)
{
    if (found->n == 0) {
        printf("no accelerators\n");
        return;
    }
    printf("%-13s %-22s %-22s %-24s %s\n", "CLASS", "ID", "NAME", "NODE", "HEALTH");
    for (size_t i = 0; i < found->n; i++) {
        const struct mw_accelerator *device = &found->item[i];
        printf("%-13s %-22s %-22s %-24s %s\n", device->row->class, device->id, device->name,
               device->nodes > 0 ? device->node[0] : "-",
               device->healthy ? "healthy" : device->reason);
    }
}

mw_err mw_node_list(const struct mw_node_options *options, bool json, struct mw_error *error)
{
    struct mw_accelerator_table table;
    struct mw_accelerators found;
    mw_err err = mw_accelerator_table_make(&table, options->accelerators, error);
    if (err != MW_OK) {
        return err;
    }
    err = mw_accelerators_find(&found, &table, options->sysfs_root);
    for (size_t i = 0; err == MW_OK && i < found.n; i++) {
        mw_accelerator_check(&found.item[i], options->sysfs_root);
    }
    if (err != MW_OK) {
        err = mw_error_set(error, err, "out of memory");
    } else if (json) {
        print_json(&found);
    } else {
        print_table(&found);
    }
    mw_accelerators_clear(&found);
    mw_accelerator_table_clear(&table);
    return err;
}
