/* commands.h - every subcommand, once, in the order that --help and the manual list them. A row is
 * the name of a variable mw_command_<row> that some file of cli/ defines. */
#ifndef MW_CLI_COMMANDS_H
#define MW_CLI_COMMANDS_H

#include "cli/command.h"

#define MW_COMMANDS(X) \
    X(demo)            \
    X(up)              \
    X(replay)          \
    X(status)          \
    X(top)             \
    X(ledger)          \
    X(event_add)       \
    X(rollout)         \
    X(train)           \
    X(predict)         \
    X(drift)           \
    X(features)        \
    X(discover)        \
    X(model_list)      \
    X(model_show)      \
    X(model_verify)    \
    X(model_push)      \
    X(model_pull)      \
    X(model_pack)      \
    X(pipeline_run)    \
    X(pipeline_show)   \
    X(pipeline_export) \
    X(pipeline_step)   \
    X(extract)         \
    X(quantize)        \
    X(validate)        \
    X(sign)            \
    X(publish)         \
    X(stream_cat)      \
    X(bridge)          \
    X(score)           \
    X(watch)           \
    X(learn)           \
    X(serve)           \
    X(thing)           \
    X(relay)           \
    X(node)            \
    X(operate)         \
    X(prepare)

#define MW_COMMAND_DECLARE(name) extern const struct mw_subcommand mw_command_##name;
MW_COMMANDS(MW_COMMAND_DECLARE)
#undef MW_COMMAND_DECLARE

#endif
