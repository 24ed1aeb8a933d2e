#include "cli/demo_memory.h"

#include "lib/base/process.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES_MAX 4096

struct process {
    pid_t pid, parent;
};

static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *end = strrchr(text, ')'); /* the name may hold anything */
    int parent = 0;
    if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1) {
        return 0;
    }
    return parent;
}

/* millwright's role or subcommand: its first argument; "mosquitto" for another program. */
static void name_of(pid_t pid, char *name, size_t size)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    snprintf(name, size, "gone");
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    size_t n = fread(text, 1, sizeof text - 2, file);
    fclose(file);
    text[n] = text[n + 1] = '\0';
    const char *slash = strrchr(text, '/');
    const char *program = slash == NULL ? text : slash + 1;
    const char *argument = text + strlen(text) + 1;
    snprintf(name, size, "%.23s", strcmp(program, "mosquitto") == 0 ? program : argument);
}

static void add(struct mw_demo_memory *memory, pid_t pid)
{
    char name[24];
    int64_t bytes = mw_process_pss(pid);
    name_of(pid, name, sizeof name);
    if (bytes < 0) {
        return;
    }
    size_t i = 0;
    while (i < memory->n && strcmp(memory->role[i].role, name) != 0) {
        i++;
    }
    if (i == MW_DEMO_ROLES) {
        return;
    }
    if (i == memory->n) {
        snprintf(memory->role[i].role, sizeof memory->role[i].role, "%s", name);
        memory->role[i].bytes = 0;
        memory->n++;
    }
    memory->role[i].bytes += bytes;
    if (strcmp(name, "mosquitto") != 0) {
        memory->total += bytes;
    }
}

void mw_demo_memory_read(struct mw_demo_memory *memory, pid_t root)
{
    struct process *process = calloc(PROCESSES_MAX, sizeof *process);
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    size_t n = 0;
    memset(memory, 0, sizeof *memory);
    while (process != NULL && folder != NULL && n < PROCESSES_MAX &&
           (entry = readdir(folder)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            process[n].pid = (pid_t)atoi(entry->d_name);
            process[n].parent = parent_of(process[n].pid);
            n++;
        }
    }
    add(memory, getpid());
    for (size_t i = 0; i < n; i++) {
        pid_t ancestor = process[i].pid;
        for (int depth = 0; depth < 8 && ancestor > 1 && ancestor != root; depth++) {
            size_t k = 0;
            while (k < n && process[k].pid != ancestor) {
                k++;
            }
            ancestor = k < n ? process[k].parent : 0;
        }
        if (ancestor == root) {
            add(memory, process[i].pid);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    free(process);
}
