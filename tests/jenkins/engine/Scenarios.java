import java.util.List;

/** The Jenkinsfiles, and what must be recorded and printed ("ran …") in each. */
final class Scenarios {

    private Scenarios() {
    }

    static void define() {
        bodies();
        failures();
        misuse();
        interruptions();
        everyStage();
    }

    private static void bodies() {
        EngineTests.everywhere("a deploy with two stages is recorded",
            "node { recordDeploy(component: 'shop') { stage('Build') { sleep time: 5 }; stage('Check') { echo 'ran' } } }",
            "deploy started", "Build started", "Build succeeded", "Check started", "Check succeeded", "deploy deployed", "ran");
        EngineTests.everywhere("values, variables and methods of the Jenkinsfile work in a body",
            "def twice(n) { sleep time: 1; return 2 * n }\ncount = 1\ndef local = 1\n"
                + "def value = node { recordDeploy(component: 'shop') { count = twice(count); local = twice(local); def a = stage('A') { 5 }; a + 1 } }\n"
                + "echo \"ran ${count} ${local} ${value}\"",
            "deploy started", "A started", "A succeeded", "deploy deployed", "ran 2 2 6");
        EngineTests.everywhere("stages in loops and nested stages are recorded under their path",
            "node { recordDeploy(component: 'shop') { for (n in ['a', 'b']) { stage(n) { stage('x') { sleep time: 1 } } } } }",
            "deploy started", "a started", "a / x started", "a / x succeeded", "a succeeded", "b started", "b / x started", "b / x succeeded",
            "b succeeded", "deploy deployed");
        for (String mode : List.of("", "untrusted")) {
            EngineTests.test("stages in closures are recorded", mode,
                "node { recordDeploy(component: 'shop') { ['a', 'b'].each { n -> stage(n) { sleep time: 1 } } } }", it -> { },
                "deploy started", "a started", "a succeeded", "b started", "b succeeded", "deploy deployed");
        }
        EngineTests.everywhere("parallel branches keep equal names apart",
            "node { recordDeploy(component: 'shop') { parallel(eu: { stage('S') { sleep time: 5 } }, us: { sleep time: 1; stage('S') { sleep time: 5 } }, "
                + "failFast: true) } }",
            "deploy started", "eu / S started", "us / S started", "eu / S succeeded", "us / S succeeded", "deploy deployed");
        EngineTests.everywhere("parallel deploys of one component are kept apart",
            "parallel(a: { node { recordDeploy(component: 'shop') { stage('S') { sleep time: 5 } } } }, "
                + "b: { node { sleep time: 1; recordDeploy(component: 'shop') { stage('S') { sleep time: 5 } } } })",
            "deploy started", "S started", "deploy (2) started", "S (2) started", "S succeeded", "deploy deployed", "S (2) succeeded",
            "deploy (2) deployed");
        EngineTests.everywhere("a dollar sign is recorded once",
            "node { recordDeploy(component: 'pay$roll') { stage('a$b') { recordStage('c$d') { echo 'ran' } } } }",
            "deploy started", "a$b started", "a$b / c$d started", "a$b / c$d succeeded", "a$b succeeded", "deploy deployed", "ran");
        EngineTests.everywhere("waiting for an agent and an approval is told from work",
            "node { recordDeploy(component: 'shop') { node('busy') { stage('A') { sleep time: 5 } }; stage('B') { input 'Go?' } } }",
            "deploy started", "A started", "A succeeded", "B started", "B succeeded waited 20.0", "deploy deployed waited 50.0");
        EngineTests.everywhere("a status is recorded by hand", "node { recordStatus(status: 'rolled_back', component: 'shop') }", "deploy rolled_back");
    }

    private static void failures() {
        EngineTests.everywhere("the very exception of the body is thrown on",
            "def e = null\nnode { try { recordDeploy(component: 'shop') { stage('A') { error 'x' } } } catch (x) { e = x; echo 'ran ' + x.message }\n"
                + "throw e }",
            "deploy started", "A started", "A failed", "deploy failed", "ran x", "threw hudson.AbortException: x");
        EngineTests.everywhere("a stage that rethrows the failure of another is failed, not skipped",
            "node { recordDeploy(component: 'shop') { def err = null\n"
                + "try { stage('A') { error 'x' } } catch (e) { err = e }\nstage('Rollback') { sleep time: 5; throw err } } }",
            "deploy started", "A started", "A failed", "Rollback started", "Rollback failed", "deploy failed", "threw hudson.AbortException: x");
        EngineTests.everywhere("an exception that cannot be saved does not end the build",
            "class Odd extends Exception { def matcher = ('x' =~ 'x') }\nnode { recordDeploy(component: 'shop') {\n"
                + "try { stage('A') { throw new Odd() } } catch (ignored) { echo 'ran' }\nstage('B') { sleep time: 1 } } }",
            "deploy started", "A started", "A failed", "B started", "B succeeded", "deploy deployed", "ran");
        EngineTests.everywhere("a step that worsens the result decides the status",
            "node { recordDeploy(component: 'shop') { stage('A') { catchError { error 'x' } } } }",
            "deploy started", "A started", "A failed", "deploy failed");
    }

    private static void misuse() {
        EngineTests.everywhere("misused steps run their bodies and fail nothing",
            "recordDeploy('shop') { echo 'ran 1' }\nrecordStage(name: 'x') { echo 'ran 2' }\nrecordStatus('rolled_back')\n"
                + "recordDeploy(component: 'c')\nrecordDeploy(null)\nrecordStage(null)\nrecordStatus()\nrecordStage('x', 5) { echo 'ran 3' }\n"
                + "recordDeploy(1, 2, [3]) { echo 'ran 4' }",
            "ran 1", "ran 2", "ran 3", "ran 4");
        EngineTests.everywhere("a closure made outside the body keeps its own steps",
            "def c = { stage('S') { sleep time: 1 } }\nnode { recordDeploy(component: 'shop') { c() } }", "deploy started", "deploy deployed");
    }

    private static void interruptions() {
        for (String mode : List.of("restarts", "sandbox restarts")) {
            EngineTests.test("a timeout is told from an abort", mode,
                "node { recordDeploy(component: 'shop') { timeout(time: 5, unit: 'SECONDS') { stage('A') { sleep time: 60 } } } }", it -> { },
                "deploy started", "A started", "A timeout", "deploy timeout",
                "threw org.jenkinsci.plugins.workflow.steps.FlowInterruptedException: Timeout has been exceeded");
        }
        // The words of the cause are all that the sandbox lets a script read of an interruption.
        EngineTests.everywhere("an expired timeout around a step can be told from an abort by its message",
            "try { timeout(time: 2, unit: 'SECONDS') { sleep time: 60 } } catch (e) { echo \"ran ${e.message}\" }", "ran Timeout has been exceeded");
        for (String mode : List.of("restarts", "untrusted restarts", "sandbox sh restarts")) {
            EngineTests.test("an abort in a stage is recorded and thrown on", mode,
                "node { recordDeploy(component: 'shop') { stage('A') { sleep time: 60 } } }", it -> it.steps.abortAfter = 10_000,
                "deploy started", "A started", "A aborted", "deploy aborted",
                "threw org.jenkinsci.plugins.workflow.steps.FlowInterruptedException: Aborted by Ana");
        }
    }

    private static void everyStage() {
        EngineTests.everyStage("every stage of a pipeline is recorded",
            "env.DEPLOYLOG_COMPONENT = 'shop'\nstage('A') { node { sleep time: 5 } }\nstage 'label'\n"
                + "parallel(eu: { stage('S') { stage('T') { sleep time: 1 } } }, us: { stage(name: 'S') { sleep time: 9 } })\nstage('Declarative: x') { echo 'ran' }",
            "A started", "A succeeded", "eu / S started", "us / S started", "eu / S / T started", "eu / S / T succeeded", "eu / S succeeded",
            "us / S succeeded", "ran");
        EngineTests.everyStage("every stage: parallel waits count only while all branches wait",
            "env.DEPLOYLOG_COMPONENT = 'shop'\nstage('A') { parallel(a: { node('busy') { sleep time: 1 } }, b: { sleep time: 10; node('busy') { echo 'ran' } }) }",
            "A started", "A succeeded waited 29.0", "ran");
        EngineTests.everyStage("every stage: work after a caught failure is not skipped",
            "def err = null\ntry { stage('A') { error 'x' } } catch (e) { err = e }\nstage('Rollback') { sleep time: 5; throw err }",
            "A started", "A failed", "Rollback started", "Rollback failed", "threw hudson.AbortException: x");
    }

}
