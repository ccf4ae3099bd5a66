import java.math.RoundingMode

/** What recording costs a build with curl on the node: steps and lines in the console, on average over its stages. */
class Costs {

    private static final String FLAT = """
        node {
            recordDeploy(component: 'shop', version: '2.1', environment: 'production') {
                for (int i = 0; i < 20; i++) { stage("Stage \${i}") { sleep time: 1 } }
            }
        }"""
    private static final String OUTSIDE_NODE = """
        recordDeploy(component: 'shop', version: '2.1', environment: 'production') {
            node { for (int i = 0; i < 20; i++) { stage("Stage \${i}") { sleep time: 1 } } }
        }"""

    static void define(Suite suite) {
        for (token in [false, true]) {
            String name = token ? ' with a token' : ''
            [('in one node'): FLAT, ('around a node'): OUTSIDE_NODE].each { where, jenkinsfile ->
                suite.test("twenty flat stages of a deploy ${where} cost one sh and few lines each${name}") {
                    limit(suite, token, [:]) { Build build -> build.run(jenkinsfile) }
                }
            }
            suite.test("the twenty stages of the Declarative build cost one sh and few lines each${name}") {
                limit(suite, token, [everyStage: true]) { Build build -> build.run { TwentyStages.runDeclarative(build) } }
            }
        }
    }

    /** Compares a build that records with one that does not. */
    private static void limit(Suite suite, boolean token, Map settings, Closure run) {
        List<Build> builds = [true, false].collect { boolean recorded ->
            Build build = suite.build([transport: 'curl', secrets: token ? [token: 's3cr3t'] : [:]] + settings)
            build.environment.DEPLOYLOG_CREDENTIALS_ID = token ? 'token' : ''
            if (!recorded) {
                build.environment.DEPLOYLOG_URL = ''
            }
            run(build)
            return build
        }
        int stages = suite.service.records(builds[0].run)*.stage.findAll().toSet().size()
        BigDecimal lines = (lines(builds[0]) - lines(builds[1])) / stages
        BigDecimal scripts = (builds[0].calls.sh - (builds[1].calls.sh ?: 0)) / stages
        println "cost per stage: ${lines.setScale(2, RoundingMode.UP)} lines, ${scripts.setScale(2, RoundingMode.UP)} sh"
        Suite.check(stages >= 20, stages)
        // The start and the end of the deploy are no stages. Outside a node they read the credentials too.
        Suite.check(scripts <= 1 + 2 / stages, scripts)
        int credentials = builds[0].calls.withCredentials ?: 0
        Suite.check(token ? credentials <= stages + 3 : credentials == 0, builds[0].calls)
        Suite.check(lines <= (token ? 9 : 5), lines)
    }

    /** Without the finishes that are printed while they wait. */
    private static int lines(Build build) {
        List<String> all = build.text.readLines()
        // Each is a step, a message and at least one record.
        int steps = all.count { it.startsWith('deploylog: recorded, ') }
        return all.size() - 2 * steps - all.count { it.startsWith('{"component"') }
    }

}
