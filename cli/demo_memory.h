/* demo_memory.h - the proportional memory of a process and all it started, by role. */
#ifndef MW_CLI_DEMO_MEMORY_H
#define MW_CLI_DEMO_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MW_DEMO_ROLES 24

struct mw_demo_memory {
    struct {
        char role[24];
        int64_t bytes;
    } role[MW_DEMO_ROLES];
    size_t n;
    int64_t total; /* bytes, mosquitto left out */
};

/* Adds up this process and all descendants of `root`. Reads /proc. */
void mw_demo_memory_read(struct mw_demo_memory *memory, pid_t root);

#endif
