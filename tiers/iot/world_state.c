/* The world as bytes. */
#include "tiers/iot/world_internal.h"

#include <string.h>

#define MAGIC "MWWORLD"
#define VERSION 1U

struct header {
    char magic[8];
    uint32_t version;
    uint32_t machines;
    uint64_t machine_bytes; /* sizeof: another build's struct is another version */
    uint64_t seed;
    int64_t start, interval;
    int64_t now;
    double fault_hours;
    uint64_t checksum; /* of the whole, with this field 0 */
};

/* FNV-1a, 64 bits (Fowler, Noll and Vo): against damage, not against an enemy. */
static uint64_t checksum(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ byte[i]) * 0x100000001b3U;
    }
    return hash;
}

static size_t machines_size(const struct mw_world *world)
{
    return world->config.machines * sizeof *world->machine;
}

static uint64_t checksum_all(struct header header, const void *machines, size_t size)
{
    header.checksum = 0;
    return checksum(checksum(0xcbf29ce484222325U, &header, sizeof header), machines, size);
}

size_t mw_world_save_size(const struct mw_world *world)
{
    return sizeof(struct header) + machines_size(world);
}

mw_err mw_world_save(const struct mw_world *world, void *data, size_t size)
{
    if (size < mw_world_save_size(world)) {
        return MW_ERR_TOO_SMALL;
    }
    struct header header;
    memset(&header, 0, sizeof header);
    memcpy(header.magic, MAGIC, sizeof MAGIC);
    header.version = VERSION;
    header.machines = world->config.machines;
    header.machine_bytes = sizeof *world->machine;
    header.seed = world->config.seed;
    header.start = world->config.start;
    header.interval = world->config.interval;
    header.now = world->now;
    header.fault_hours = world->fault_hours;
    header.checksum = checksum_all(header, world->machine, machines_size(world));
    memcpy(data, &header, sizeof header);
    memcpy((char *)data + sizeof header, world->machine, machines_size(world));
    return MW_OK;
}

/* What indexes an array or drives a switch must be right even behind a matching checksum. */
static bool machines_valid(const char *machines, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct mw_world_machine m;
        memcpy(&m, machines + i * sizeof m, sizeof m);
        if (m.job < MW_WORLD_IDLE || m.job > MW_WORLD_SERVICE || m.twin_alive < 0 ||
            m.twin_alive > 1 || m.motor.status < MW_MOTOR_RUNNING ||
            m.motor.status > MW_MOTOR_BROKEN || m.motor.broken_by < -1 ||
            m.motor.broken_by >= MW_MOTOR_FAULTS || m.twin.broken_by < -1 ||
            m.twin.broken_by >= MW_MOTOR_FAULTS) {
            return false;
        }
    }
    return true;
}

mw_err mw_world_load(struct mw_world *world, const void *data, size_t size, struct mw_error *error)
{
    struct header header;
    if (size < sizeof header || memcmp(data, MAGIC, sizeof MAGIC) != 0) {
        return mw_error_set(error, MW_ERR_CORRUPT, "saved world: not one");
    }
    memcpy(&header, data, sizeof header);
    if (header.version != VERSION || header.machine_bytes != sizeof *world->machine) {
        return mw_error_set(error, MW_ERR_VERSION, "saved world: made by another build");
    }
    if (header.machines != world->config.machines || header.seed != world->config.seed ||
        header.start != world->config.start || header.interval != world->config.interval) {
        return mw_error_set(error, MW_ERR_VERSION,
                            "saved world: made with other machines, seed, start or interval");
    }
    const char *machines = (const char *)data + sizeof header;
    if (size != mw_world_save_size(world) ||
        header.checksum != checksum_all(header, machines, machines_size(world)) ||
        header.now < header.start || !(header.fault_hours >= 0.0) ||
        !machines_valid(machines, header.machines)) {
        return mw_error_set(error, MW_ERR_CORRUPT, "saved world: damaged");
    }
    memcpy(world->machine, machines, machines_size(world));
    world->now = header.now;
    world->fault_hours = header.fault_hours;
    world->next_change = 0;
    while (world->next_change < world->n_changes &&
           world->change[world->next_change].at <= world->now - world->config.start) {
        world->next_change++;
    }
    return MW_OK;
}
