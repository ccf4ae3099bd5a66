package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.actions.ArgumentsAction
import org.jenkinsci.plugins.workflow.actions.TagsAction
import org.jenkinsci.plugins.workflow.actions.ThreadNameAction
import org.jenkinsci.plugins.workflow.actions.WarningAction
import org.jenkinsci.plugins.workflow.graph.BlockEndNode
import org.jenkinsci.plugins.workflow.graph.FlowNode

/** What Declarative and the steps wrote into the flow graph of the build. Only for trusted libraries. */
class FlowGraph {

    private static final List<String> RESULTS = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']
    // Reading the graph delays all branches of the build. The oldest nodes of a longer block are not read.
    private static final int MAX_NODES = 10000

    /**
     * Whether this library is trusted. The sandbox rejects this call permanently (script-security blacklist), so the
     * rejection is not listed under In-process Script Approval.
     */
    @NonCPS
    static boolean isAllowed() {
        try {
            System.nanoTime()
            return true
        } catch (SecurityException ignored) {
            return false
        }
    }

    /**
     * The facts about the innermost block around a node: `skipped`, whether Declarative skipped it; `result`, the worst
     * result of its steps; `inBranch`, whether parallel branches can change the build's result. Null outside blocks.
     */
    @NonCPS
    static Map<String, Object> facts(FlowNode node) {
        List<FlowNode> around = node.enclosingBlocks
        if (around.isEmpty()) {
            return null
        }
        // Source: pipeline-model-definition StageStatus.java
        String tag = around[0].getPersistentAction(TagsAction)?.getTagValue('STAGE_STATUS')
        return [
            skipped: tag != null && tag.startsWith('SKIPPED_FOR_'),
            result: worstResult(node, around[0]),
            inBranch: around.any { it.getPersistentAction(ThreadNameAction) != null },
        ]
    }

    @NonCPS
    static String worse(String result, String other) {
        return RESULTS.indexOf(other) > RESULTS.indexOf(result) ? other : result
    }

    /** Each path from a node in a block to the start of the build goes through the start of the block. */
    @NonCPS
    private static String worstResult(FlowNode node, FlowNode block) {
        String worst = 'SUCCESS'
        Set<FlowNode> seen = [block].toSet()
        List<FlowNode> open = [node]
        while (!open.isEmpty() && seen.size() < MAX_NODES) {
            FlowNode current = open.remove(open.size() - 1)
            if (seen.add(current)) {
                worst = worse(worst, resultOf(current))
                open.addAll(current.parents)
            }
        }
        return worst
    }

    @NonCPS
    private static String resultOf(FlowNode node) {
        WarningAction warning = node.getPersistentAction(WarningAction)
        if (warning != null) {
            return warning.result.toString()
        }
        return node instanceof BlockEndNode && node.error != null ? swallowedResult(node.startNode) : 'SUCCESS'
    }

    /** catchError without a stageResult adds no WarningAction (workflow-basic-steps CatchErrorStep.java). */
    @NonCPS
    private static String swallowedResult(FlowNode body) {
        FlowNode step = body.enclosingBlocks.isEmpty() ? null : body.enclosingBlocks[0]
        if (step?.displayFunctionName != 'catchError' || step.endNode == null || step.endNode.error != null) {
            return 'SUCCESS'
        }
        Map<String, Object> arguments = ArgumentsAction.getFilteredArguments(step)
        // Given as null, it means SUCCESS.
        return arguments.containsKey('buildResult') ? (arguments.buildResult ?: 'SUCCESS').toString() : 'FAILURE'
    }

}
