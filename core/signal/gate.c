#include "core/signal/gate.h"

enum mw_gate_verdict mw_gate_add(struct mw_gate *gate, float feature)
{
    if (!(feature >= gate->minimum)) {
        gate->seen = false;
        return MW_GATE_STANDSTILL;
    }
    if (gate->seen && gate->delta > 0.0F) {
        const float change = feature > gate->last ? feature - gate->last : gate->last - feature;
        const bool due = gate->heartbeat > 0 && gate->held + 1 >= gate->heartbeat;
        if (change <= gate->delta && !due) {
            gate->held++;
            return MW_GATE_NO_NEWS;
        }
    }
    gate->seen = true;
    gate->last = feature;
    gate->held = 0;
    return MW_GATE_PASS;
}
