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
    X(stream_cat)                                                                                  \
    X(train)                                                                                       \
    X(predict)                                                                                     \
    X(quantize)                                                                                    \
    X(drift)                                                                                       \
    X(model_list)                                                                                  \
    X(model_show)                                                                                  \
    X(model_verify)                                                                                \
    X(extract)                                                                                     \
    X(features)                                                                                    \
    X(bridge)                                                                                      \
    X(score)                                                                                       \
    X(watch)                                                                                       \
    X(learn)                                                                                       \
    X(serve)                                                                                       \
    X(thing)                                                                                       \
    X(event_add)                                                                                   \
    X(publish)                                                                                     \
    X(rollout)                                                                                     \
    X(sign)                                                                                        \
    X(status)                                                                                      \
    X(top)                                                                                         \
    X(validate)                                                                                    \
    X(pipeline_run)                                                                                \
    X(pipeline_show)

#define MW_COMMAND_DECLARE(name) extern const struct mw_subcommand mw_command_##name;
MW_COMMANDS(MW_COMMAND_DECLARE)
#undef MW_COMMAND_DECLARE

#endif
