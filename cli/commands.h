/* commands.h - every subcommand, once, in the order that --help and the manual list them. A row is the
 * name of a variable mw_command_<row> that some file of cli/ defines. */
#ifndef MW_CLI_COMMANDS_H
#define MW_CLI_COMMANDS_H

#include "cli/command.h"

#define MW_COMMANDS(X)                                                                             \
    X(demo)                                                                                        \
    X(up)                                                                                          \
    X(replay)                                                                                      \
    X(ledger)                                                                                      \
    X(train)                                                                                       \
    X(predict)                                                                                     \
    X(drift)                                                                                       \
    X(extract)                                                                                     \
    X(bridge)                                                                                      \
    X(score)                                                                                       \
    X(watch)                                                                                       \
    X(learn)                                                                                       \
    X(serve)                                                                                       \
    X(thing)

#define MW_COMMAND_DECLARE(name) extern const struct mw_subcommand mw_command_##name;
MW_COMMANDS(MW_COMMAND_DECLARE)
#undef MW_COMMAND_DECLARE

#endif
