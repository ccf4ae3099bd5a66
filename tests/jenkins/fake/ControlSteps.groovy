import java.util.concurrent.TimeUnit

import hudson.AbortException
import org.jenkinsci.plugins.workflow.actions.WarningAction
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** The fake steps that repeat, interrupt, catch and parallelise their bodies. The class Steps names the versions read. */
class ControlSteps {

    final Build build

    ControlSteps(Build build) {
        this.build = build
    }

    // Source: workflow-basic-steps RetryStepExecution.java
    Object retry(int count, Closure body) {
        for (int attempt = 1; ; attempt++) {
            try {
                return body()
            } catch (Throwable e) {
                if (attempt == count || isActualInterruption(e)) {
                    throw e
                }
                build.log.add('Retrying')
            }
        }
    }

    // Sources: workflow-basic-steps TimeoutStep.java, TimeoutStepExecution.java
    Object timeout(Map args, Closure body) {
        Branch branch = Branch.current()
        Serializable cause = new Causes.ExceededTimeout(nodeId: UUID.randomUUID().toString())
        Map timer = build.clock.at(build.clock.now() + TimeUnit.valueOf(args.unit ?: 'MINUTES').toMillis(args.time)) {
            build.log.add('Cancelling nested steps due to timeout')
            build.clock.interrupt(build.branchesIn(cause), new FlowInterruptedException(cause))
        }
        branch.scopes.add(cause)
        try {
            return body()
        } catch (FlowInterruptedException e) {
            e.leaves(cause)
            throw e
        } finally {
            branch.scopes.removeAll { it.is(cause) }
            build.clock.cancel(timer)
        }
    }

    // Source: workflow-basic-steps CatchErrorStep.java
    Object catchError(Map args = [:], Closure body) {
        try {
            body()
        } catch (Throwable e) {
            if (args.catchInterruptions == false && isActualInterruption(e)) {
                throw e
            }
            if (args.message) {
                build.log.add('ERROR: ' + args.message)
            }
            build.log.add(e instanceof AbortException ? 'ERROR: ' + e.message : e.toString())
            build.worsen(e instanceof FlowInterruptedException ? e.details().result : args.buildResult ?: 'FAILURE')
            String stageResult = e instanceof FlowInterruptedException ? e.details().result : args.stageResult ?: 'SUCCESS'
            if (stageResult != 'SUCCESS') {
                // The callback's node is the end of the body (workflow-cps CpsBodyExecution.java).
                Branch.current().head.facts.add(new WarningAction(result: stageResult))
            }
        }
        return null
    }

    // Source: workflow-basic-steps WarnErrorStep.java
    Object warnError(String message, Closure body) {
        return catchError(message: message, buildResult: 'UNSTABLE', stageResult: 'UNSTABLE', body)
    }

    /** Sources: workflow-cps ParallelStep.java, ParallelStepExecution.java */
    Object parallel(Map given) {
        Map bodies = given.findAll { name, body -> body instanceof Closure }
        Map other = given - bodies
        if (other && !(other.keySet() == ['failFast'].toSet() && other.failFast instanceof Boolean)) {
            throw new IllegalArgumentException('Expected a closure or failFast but found ' + other)
        }
        Map<String, Object> results = [:]
        Set<Throwable> failures = new LinkedHashSet<Throwable>()
        Serializable scope = UUID.randomUUID()
        build.clock.runParallel(bodies.collect { name, body ->
            Branch branch = Branch.current().child(scope)
            build.branches.add(branch)
            return {
                branch.enter()
                try {
                    results[name] = body()
                } catch (Throwable e) {
                    build.log.add('Failed in branch ' + name)
                    if (failures.add(e) && failures.size() == 1 && given.failFast) {
                        Serializable cause = new Causes.FailFastCause(shortDescription: 'Failed in branch ' + name)
                        build.clock.interrupt(build.branchesIn(scope) - branch, new FlowInterruptedException(cause))
                    }
                } finally {
                    build.branches.remove(branch)
                }
            }
        })
        if (failures.isEmpty()) {
            return results
        }
        List<Throwable> sorted = given.failFast ? failures.toList() : failures.toSorted { a, b -> severity(a) <=> severity(b) }
        sorted.tail().each { sorted[0].addSuppressed(it) }
        throw sorted[0]
    }

    /** The lowest is the most severe. The sort is stable, so that of equals the first wins. Source: workflow-cps ParallelStep.java */
    static int severity(Throwable e) {
        if (e instanceof FlowInterruptedException) {
            return 2 + Build.RESULTS.reverse().indexOf(e.details().result)
        }
        return e instanceof AbortException ? 1 : 0
    }

    private static boolean isActualInterruption(Throwable e) {
        return e instanceof FlowInterruptedException && e.details().actual
    }

}
