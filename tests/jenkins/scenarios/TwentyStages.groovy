/** Two builds of 20 stages, with the service up and with the service down for the middle third. Prints the records. */
class TwentyStages {

    private static final String SCRIPTED = '''
        node {
            recordDeploy(component: 'shop', version: '2.1', environment: 'production') {
                stage('Checkout') { sh 'sleep 10' }
                stage('Build') {
                    stage('Compile') { sh 'sleep 40' }
                    stage('Package') { sh 'sleep 20' }
                }
                stage('Unit tests') { sh 'sleep 50' }
                stage('Lint') { sh 'sleep 15' }
                int attempt = 0
                retry(3) { stage('Upload') { sh 'sleep 12'; if (attempt++ < 2) { error 'connection reset' } } }
                stage('Staging') {
                    sh 'sleep 2'
                    parallel(
                        eu: { stage('Copy') { sh 'sleep 30' }; stage('Check') { sh 'sleep 25' } },
                        us: { sh 'sleep 1'; stage('Copy') { sh 'sleep 35' }; stage('Check') { sh 'sleep 27' } })
                }
                catchError { stage('Load test') { sh 'sleep 33'; error 'too slow' } }
                catchError { stage('Approve') { input(message: 'Go on, Nobody?') } }
                stage('Production') {
                    sh 'sleep 3'
                    stage('Switch') { sh 'sleep 45' }
                    stage('Warm up') { sh 'sleep 31' }
                    stage('Smoke test') { sh 'sleep 22' }
                }
                stage('Announce') { sh 'sleep 5' }
                stage('Clean up') { sh 'sleep 61' }
            }
        }'''

    private static final List<String> SCRIPTED_LINES = [
        'deploy started', 'Checkout started', 'Checkout succeeded 10', 'Build started', 'Build / Compile started',
        'Build / Compile succeeded 40', 'Build / Package started', 'Build / Package succeeded 20', 'Build succeeded 60',
        'Unit tests started', 'Unit tests succeeded 50', 'Lint started', 'Lint succeeded 15', 'Upload started', 'Upload failed 12',
        'Upload started', 'Upload failed 12', 'Upload started', 'Upload succeeded 12', 'Staging started',
        'Staging / eu / Copy started', 'Staging / us / Copy started', 'Staging / eu / Copy succeeded 30',
        'Staging / eu / Check started', 'Staging / us / Copy succeeded 35', 'Staging / us / Check started',
        'Staging / eu / Check succeeded 25', 'Staging / us / Check succeeded 27', 'Staging succeeded 65',
        'Load test started', 'Load test failed 33', 'Approve started', 'Approve aborted 20', 'Production started',
        'Production / Switch started', 'Production / Switch succeeded 45', 'Production / Warm up started',
        'Production / Warm up succeeded 31', 'Production / Smoke test started', 'Production / Smoke test succeeded 22',
        'Production succeeded 101', 'Announce started', 'Announce succeeded 5', 'Clean up started', 'Clean up succeeded 61',
        'deploy aborted 456']

    private static final List<String> DECLARATIVE_LINES = [
        'Checkout started', 'Checkout succeeded 10', 'Build started', 'Build / Compile started', 'Build / Compile succeeded 40',
        'Build / Package started', 'Build / Package succeeded 20', 'Build succeeded 60', 'Unit tests started',
        'Unit tests succeeded 50', 'Upload started', 'Upload succeeded 24', 'Staging started', 'Staging / eu started',
        'Staging / eu / Copy started', 'Staging / us started', 'Staging / us / Copy started', 'Staging / eu / Copy succeeded 30',
        'Staging / eu / Check started', 'Staging / us / Copy succeeded 35', 'Staging / us / Check started',
        'Staging / eu / Check succeeded 25', 'Staging / eu succeeded 55', 'Staging / us / Check succeeded 27',
        'Staging / us succeeded 62', 'Staging succeeded 62', 'Approve started', 'Approve succeeded 50', 'Load test started',
        'Load test succeeded 60', 'Production started', 'Production / eu started', 'Production / us started',
        'Production / us failed 70', 'Production / eu aborted 70', 'Production failed 70', 'Announce skipped', 'Clean up skipped']

    static void define(Suite suite) {
        run(suite, 'scripted', 456, [:], SCRIPTED_LINES) { Build build ->
            build.classes.parseClass(SCRIPTED, 'WorkflowScript.groovy').newInstance().run()
        }
        run(suite, 'declarative', 388, [everyStage: true], DECLARATIVE_LINES) { Build build ->
            runDeclarative(build)
        }
    }

    static void runDeclarative(Build build) {
        new ModelInterpreter(build.classes.parseClass('this', 'WorkflowScript.groovy').newInstance(), declarative()).run()
    }

    private static void run(Suite suite, String kind, int seconds, Map settings, List<String> lines, Closure pipeline) {
        for (down in [false, true]) {
            String name = "a ${kind} build of 20 stages, with the service " + (down ? 'down for the middle third' : 'up')
            suite.test(name) {
                Build build = suite.build(settings)
                build.run { script ->
                    if (down) {
                        build.clock.at(build.clock.now() + seconds * 333) { suite.service.stop() }
                        build.clock.at(build.clock.now() + seconds * 667) { suite.service.start() }
                    }
                    pipeline(build)
                }
                List<Map> records = suite.service.records(build.run)
                Suite.expect(byBranch(Service.lines(records.sort(false) { moment(it) })), byBranch(lines), build)
                Suite.expect(build.text.contains('deploylog: queued'), down)
                Suite.expect(build.text.contains('not delivered'), false)
                Suite.expect(stages(records).size() >= 20, true)
                println "records of ${name}:\n" + Service.compact(records)
            }
        }
    }

    private static Set<String> stages(List<Map> records) {
        return records*.stage.findAll().toSet()
    }

    /** After a failure the start of a stage is sent late, so the records are ordered by their times. */
    private static String moment(Map record) {
        return record.status == 'started' ? record.started_at : record.finished_at
    }

    /** Groups the lines by branch, because simultaneous records of two branches have no fixed order. */
    private static List<String> byBranch(List<String> lines) {
        return lines.sort(false) { it.startsWith('Staging / us') || it.startsWith('Production / us') ? 1 : 0 }
    }

    private static Map declarative() {
        int attempt = 0
        return [agent: 'any', post: { }, stages: [
            [name: 'Checkout', steps: { sh 'sleep 10' }],
            [name: 'Build', stages: [
                [name: 'Compile', steps: { sh 'sleep 40' }],
                [name: 'Package', steps: { sh 'sleep 20' }],
            ]],
            [name: 'Unit tests', steps: { sh 'sleep 50' }],
            [name: 'Upload', retry: 2, steps: { sh 'sleep 12'; if (attempt++ == 0) { error 'connection reset' } }],
            [name: 'Staging', parallel: [
                [name: 'eu', stages: [[name: 'Copy', steps: { sh 'sleep 30' }], [name: 'Check', steps: { sh 'sleep 25' }]]],
                [name: 'us', stages: [[name: 'Copy', steps: { sh 'sleep 35' }], [name: 'Check', steps: { sh 'sleep 27' }]]],
            ]],
            [name: 'Approve', input: 'Go on?', steps: { sh 'sleep 30' }],
            [name: 'Load test', steps: { sh 'sleep 60' }],
            [name: 'Production', failFast: true, parallel: [
                [name: 'eu', steps: { sh 'sleep 100' }],
                [name: 'us', steps: { sh 'sleep 70'; error 'no space left' }],
            ]],
            [name: 'Announce', steps: { }],
            [name: 'Clean up', steps: { }],
        ]]
    }

}
