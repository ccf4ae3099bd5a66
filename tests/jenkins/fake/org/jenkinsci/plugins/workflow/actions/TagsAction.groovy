package org.jenkinsci.plugins.workflow.actions

/** Source: workflow-api TagsAction.java */
class TagsAction {

    Map<String, String> tags

    String getTagValue(String tag) {
        return tags[tag]
    }

}
